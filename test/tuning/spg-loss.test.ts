import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Executable } from '../../src/engine/engine.ts';
import { gradients } from '../../src/graph/differentiate.ts';
import { input } from '../../src/graph/primitives.ts';
import { defineProgram } from '../../src/graph/program.ts';
import type { HostTensor } from '../../src/graph/tensor.ts';
import { Random } from '../../src/platform/random.ts';
import { boundWeights, type NegativeBranch, spgBatch, spgLoss } from '../../src/tuning/objectives/spg.ts';
import { oneThread } from '../model/tiny-model.ts';
import { type ReferenceCompletion, type ReferenceSettings, referenceBounds, referenceLoss } from './reference-spg.ts';

const engine = oneThread();
const branches: readonly NegativeBranch[] = ['mixture', 'eubo', 'elbo', 'none'];
const tokens = { mask: 2, pad: 0 };

/** A completion with given log-probabilities, after a prompt of `prompt` tokens; `masks` cover the prompt too. */
interface Given extends ReferenceCompletion {
  readonly prompt: number;
  readonly promptMasks: readonly (readonly number[])[];
}

const programs = new Map<string, Promise<Executable>>();

/** The loss as an engine computes it from given log-probabilities, the bounds, and the loss' gradient by them. */
async function computed(given: readonly Given[], settings: ReferenceSettings) {
  const completions = given.map(({ prompt, length, advantage, logp }) => ({
    prompt: new Int32Array(prompt).fill(3),
    tokens: new Int32Array(logp[0]!.length).fill(4),
    length,
    advantage,
  }));
  const masks = given.map(({ promptMasks, masks }) =>
    masks.map((mask, s) => Uint8Array.from([...promptMasks[s]!, ...mask])),
  );
  const weights = boundWeights(completions, settings.branch, settings);
  const { rows, extra: all } = spgBatch(completions, masks, weights, settings, tokens);
  // Inputs that are needed only for the logged entropy are left out.
  const { counted: _, ...extra } = all;
  const [samples, count, answer] = extra.elbo_weights!.shape as [number, number, number];
  // If a completion is shorter than others, its last positions contain the log-probabilities of other tokens.
  const logp = Float32Array.from({ length: rows.data.length }, (_, entry) => {
    const [s, j, i] = [Math.floor(entry / (count * answer)), Math.floor(entry / answer) % count, entry % answer];
    return given[j]!.logp[s]![i] ?? -7;
  });
  const feeds: Record<string, HostTensor> = { logp: { shape: rows.shape, data: logp }, ...extra };
  const key = JSON.stringify(Object.values(feeds).map(({ shape }) => shape));
  if (!programs.has(key)) {
    const inputs = new Map(Object.entries(feeds).map(([name, { shape }]) => [name, input(name, shape)]));
    const leaf = inputs.get('logp')!;
    const { loss, metrics } = spgLoss.define({
      logp: leaf,
      logProbabilities: input('all', [rows.data.length, 1]),
      targets: input('targets', [rows.data.length], 'i32'),
      extra: (name) => inputs.get(name) ?? input(name, [samples, count, answer]),
    });
    const [slope] = gradients(loss, [leaf]);
    const { elbo, eubo } = metrics!;
    programs.set(
      key,
      engine.compile(defineProgram('spg', { outputs: { loss, elbo: elbo!, eubo: eubo!, slope: slope! } })),
    );
  }
  const state = await engine.createState(new Map());
  const { loss, elbo, eubo, slope } = await (await programs.get(key)!).run(feeds, state);
  const position = (s: number, j: number, i: number) => (s * count + j) * answer + i;
  return {
    loss: loss!.data[0] as number,
    elbo: [...elbo!.data],
    eubo: [...eubo!.data],
    slope: (s: number, j: number, i: number) => slope!.data[position(s, j, i)] as number,
    samples,
  };
}

function near(found: number, expected: number, what: string, tolerance = 2e-5): void {
  assert.ok(
    Math.abs(found - expected) <= tolerance * Math.max(1, Math.abs(expected)),
    `${what}: ${found}, expected ${expected}`,
  );
}

describe('the two contexts of one token, in closed form', () => {
  // The token has two contexts, with the prompt and without, in which its probability is a and b.
  const [a, b] = [0.8, 0.1];
  const toy = (advantage: number): Given => ({
    prompt: 1,
    promptMasks: [[0], [1]],
    length: 1,
    advantage,
    logp: [[Math.log(a)], [Math.log(b)]],
    masks: [[1], [1]],
  });
  const settings = { estimator: 'released', branch: 'eubo', beta: 1, omega: 0.5 } as const;

  it('ELBO = (log a + log b) / 2: the smaller probability has the larger gradient', async () => {
    const { elbo, loss, slope } = await computed([toy(1)], settings);
    near(elbo[0]!, (Math.log(a) + Math.log(b)) / 2, 'ELBO');
    near(loss, -elbo[0]!, 'loss');
    // d/da = (d/d log a) / a
    near(-slope(0, 0, 0) / a, 1 / (2 * a), 'gradient by a');
    near(-slope(1, 0, 0) / b, 1 / (2 * b), 'gradient by b');
  });

  for (const beta of [1, 1.5, 2, 8])
    it(`EUBO = log((a^${beta} + b^${beta}) / 2) / ${beta}: the larger probability has the larger gradient`, async () => {
      for (const estimator of ['released', 'paper'] as const) {
        const { eubo, loss, slope } = await computed([toy(-1)], { ...settings, beta, estimator });
        near(eubo[0]!, Math.log((a ** beta + b ** beta) / 2) / beta, 'EUBO');
        near(loss, eubo[0]!, 'loss');
        near(slope(0, 0, 0) / a, a ** (beta - 1) / (a ** beta + b ** beta), 'gradient by a');
        near(slope(1, 0, 0) / b, b ** (beta - 1) / (a ** beta + b ** beta), 'gradient by b');
      }
    });

  it('the mixture weighs a score by (1 - omega) + omega p^beta / E[p^beta]', async () => {
    for (const [omega, beta] of [
      [0.5, 1],
      [0.25, 2],
    ] as const) {
      const { slope } = await computed([toy(-1)], { ...settings, branch: 'mixture', omega, beta });
      const expected = (a ** beta + b ** beta) / 2;
      near(slope(0, 0, 0), (1 - omega + (omega * a ** beta) / expected) / 2, 'the likelier context');
      near(slope(1, 0, 0), (1 - omega + (omega * b ** beta) / expected) / 2, 'the unlikelier one');
    }
  });
});

/** Completions of several lengths with random log-probabilities, masks and advantages. */
function randomCase(random: Random, count: number, samples: number): Given[] {
  const tokens = 6;
  return Array.from({ length: count }, (_, j) => {
    const length = 1 + random.integer(tokens);
    const prompt = 1 + random.integer(3);
    return {
      prompt,
      length,
      advantage: j === 0 ? 0 : 2 * random.uniform() - 1,
      promptMasks: Array.from({ length: samples }, () => Array.from({ length: prompt }, () => random.integer(2))),
      logp: Array.from({ length: samples }, () => Array.from({ length: tokens }, () => -4 * random.uniform())),
      masks: Array.from({ length: samples }, () => {
        const mask = Array.from({ length: tokens }, (_, i) => (i < length ? random.integer(2) : 1));
        mask[random.integer(length)] = 1;
        return mask;
      }),
    };
  });
}

describe('the loss agrees with its definition', () => {
  for (const estimator of ['released', 'paper'] as const)
    for (const branch of branches)
      it(`${estimator}, ${branch}`, async () => {
        const random = new Random(1, 'cases', estimator, branch);
        for (const samples of [1, 2, 4])
          for (const [beta, omega] of [
            [1, 0.5],
            [1.5, 0.3],
            [0.7, 1],
          ] as const) {
            const settings = { estimator, branch, beta, omega };
            const given = randomCase(random, 5, samples);
            const { loss, elbo, eubo, slope } = await computed(given, settings);
            given.forEach((completion, j) => {
              const expected = referenceBounds(completion, settings);
              near(elbo[j]!, expected.elbo, 'ELBO');
              near(eubo[j]!, expected.eubo, 'EUBO');
            });
            near(loss, referenceLoss(given, settings), 'loss');
            // The gradient by every log-probability, by central differences of the definition.
            for (let s = 0; s < samples; s++)
              for (let j = 0; j < given.length; j++)
                for (let i = 0; i < 6; i++) {
                  const shifted = (by: number) =>
                    referenceLoss(
                      given.map((completion, index) => ({
                        ...completion,
                        logp: completion.logp.map((row, sample) =>
                          row.map((value, position) =>
                            index === j && sample === s && position === i ? value + by : value,
                          ),
                        ),
                      })),
                      settings,
                    );
                  near(slope(s, j, i), (shifted(1e-5) - shifted(-1e-5)) / 2e-5, `gradient of ${s} ${j} ${i}`);
                }
          }
      });

  it('a token that is not masked, or after the end of text, has no effect', async () => {
    const settings = { estimator: 'released', branch: 'mixture', beta: 1, omega: 0.5 } as const;
    const one: Given = {
      prompt: 1,
      promptMasks: [[1], [0]],
      length: 3,
      advantage: -1,
      logp: [
        [-1, -2, -3, -4],
        [-1.5, -2.5, -3.5, -4.5],
      ],
      masks: [
        [1, 0, 1, 1],
        [0, 0, 1, 1],
      ],
    };
    const { slope, loss } = await computed([one], settings);
    for (const [s, i] of [
      [0, 1],
      [0, 3],
      [1, 0],
      [1, 1],
      [1, 3],
    ] as const)
      assert.equal(slope(s, 0, i), 0);
    for (const [s, i] of [
      [0, 0],
      [0, 2],
      [1, 2],
    ] as const)
      assert.ok(slope(s, 0, i) > 0);
    const changed = {
      ...one,
      logp: [
        [-1, -90, -3, -90],
        [-90, -90, -3.5, -90],
      ],
    };
    assert.equal((await computed([changed], settings)).loss, loss);
  });
});

describe('the upper bound', () => {
  it('is right if p^beta underflows', async () => {
    for (const [level, beta] of [
      [-200, 2],
      [-1000, 1.5],
      [-80, 50],
    ] as const) {
      const given: Given = {
        prompt: 1,
        promptMasks: [[0], [0]],
        length: 2,
        advantage: -1,
        logp: [
          [level, level],
          [level - 0.1, level + 1],
        ],
        masks: [
          [1, 1],
          [1, 0],
        ],
      };
      // (1/beta) log mean_s w_s p_s^beta, with the largest p taken out of the sum.
      const first = level + Math.log((1 + 2 * Math.exp(-0.1 * beta)) / 2) / beta;
      const second = level + Math.log(1 / 2) / beta;
      for (const [estimator, expected] of [
        ['released', (first + second) / 2],
        ['paper', first + second],
      ] as const) {
        const { eubo, loss, slope } = await computed([given], { estimator, branch: 'eubo', beta, omega: 0.5 });
        near(eubo[0]!, expected, `EUBO at ${level}`, 1e-6);
        assert.ok(Number.isFinite(loss));
        assert.ok(slope(0, 0, 0) > 0 && slope(1, 0, 0) > 0 && slope(0, 0, 1) > 0, 'a gradient flows');
      }
    }
  });

  it('is above the lower bound if every token is masked in all samples (Jensen, because w is at least 1)', async () => {
    const random = new Random(2, 'jensen');
    for (let round = 0; round < 40; round++) {
      const [given] = randomCase(random, 1, 1 + random.integer(4)) as [Given];
      const all = { ...given, masks: given.masks.map((mask) => mask.map(() => 1)) };
      for (const estimator of ['released', 'paper'] as const) {
        const { elbo, eubo } = await computed([all], { estimator, branch: 'mixture', beta: 1, omega: 0.5 });
        assert.ok(eubo[0]! >= elbo[0]! - 1e-5, `${estimator}: ${eubo} below ${elbo}`);
      }
    }
  });

  it('grows with beta, from near the lower bound towards the largest probability', async () => {
    const [given] = randomCase(new Random(3, 'beta'), 1, 4) as [Given];
    const all = { ...given, length: 6, masks: given.masks.map((mask) => mask.map(() => 1)) };
    const at = async (beta: number) =>
      (await computed([all], { estimator: 'paper', branch: 'eubo', beta, omega: 0.5 })).eubo[0]!;
    const bounds = [await at(0.01), await at(1), await at(2), await at(60)];
    assert.deepEqual(
      bounds,
      bounds.toSorted((a, b) => a - b),
    );
    near(bounds[0]!, referenceBounds(all, { estimator: 'paper', beta: 1 }).elbo, 'beta near 0', 0.02);
    const largest = Array.from({ length: 6 }, (_, i) => Math.max(...all.logp.map((row) => row[i]!)));
    near(
      bounds[3]!,
      largest.reduce((sum, value) => sum + value, 0),
      'a large beta',
      0.03,
    );
  });
});

describe('the weight of a completion', () => {
  const completions = [
    { length: 3, advantage: 0.5 },
    { length: 1, advantage: -0.25 },
    { length: 4, advantage: 0 },
  ];
  it('is its length over all lengths in the released form, one over their number in the paper', () => {
    const released = boundWeights(completions, 'mixture', { estimator: 'released', omega: 0.25 });
    assert.deepEqual(released[0], { elbo: (-0.5 * 3) / 8, eubo: 0 });
    assert.deepEqual(released[1], { elbo: (0.75 * 0.25 * 1) / 8, eubo: (0.25 * 0.25 * 1) / 8 });
    const paper = boundWeights(completions, 'mixture', { estimator: 'paper', omega: 0.25 });
    assert.deepEqual(paper[0], { elbo: -0.5 / 3, eubo: 0 });
  });

  it('is 0 for an advantage of 0, and for negative ones if they are left out', () => {
    for (const branch of branches) {
      const { elbo, eubo } = boundWeights(completions, branch, { estimator: 'released', omega: 0.5 })[2]!;
      assert.ok(elbo === 0 && eubo === 0, branch);
    }
    assert.deepEqual(boundWeights(completions, 'none', { estimator: 'released', omega: 0.5 })[1], { elbo: 0, eubo: 0 });
    assert.equal(boundWeights(completions, 'elbo', { estimator: 'released', omega: 0.5 })[1]!.eubo, 0);
    assert.equal(boundWeights(completions, 'eubo', { estimator: 'released', omega: 0.5 })[1]!.elbo, 0);
  });
});

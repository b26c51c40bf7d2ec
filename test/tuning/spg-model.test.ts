import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OptimizerOptions } from '../../src/graph/optimizer.ts';
import type { HostTensor } from '../../src/graph/tensor.ts';
import type { Checkpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Random } from '../../src/platform/random.ts';
import { Trainer, trainingState } from '../../src/training/trainer.ts';
import type { ScoredCompletion } from '../../src/tuning/objectives/objective.ts';
import { objectiveByName } from '../../src/tuning/objectives/registry.ts';
import { spgObjectives as objectives, type SpgObjective } from '../../src/tuning/objectives/spg.ts';
import { type TuningSettings, tuningSettings } from '../../src/tuning/settings.ts';
import { assertNear } from '../model/assert-near.ts';
import {
  finiteDifferences,
  logProbability,
  type ReferenceWeights,
  referencePredictions,
} from '../model/reference-transformer.ts';
import { everyOption, oneThread, tinyCheckpoint } from '../model/tiny-model.ts';
import { type ReferenceSettings, referenceLoss } from './reference-spg.ts';

const special = { mask: 2, pad: 0 };
const optimizer: OptimizerOptions = {
  beta1: 0.5,
  beta2: 0.9,
  epsilon: 1e-4,
  weightDecay: 0,
  maxGradNorm: 0,
  schedule: { learningRate: 1e-3, warmup: 0, decay: 'constant', steps: 1, floor: 0 },
};

const settingsOf = (changes: Partial<TuningSettings> = {}): TuningSettings => ({
  ...tuningSettings.parse({}),
  length: 5,
  block: 3,
  ...changes,
});

const spgByName = (name: string) => objectives.find((objective) => objective.name === name) as SpgObjective;

const load = (checkpoint: Checkpoint) => LanguageModel.load(oneThread(), checkpoint, trainingState(checkpoint.config));

/** Completions of two prompts of different lengths; the second and the last end early. */
const completions: ScoredCompletion[] = [
  { prompt: [4, 5], tokens: [6, 7, 8, 3, 4], length: 5, advantage: 0.6 },
  { prompt: [4, 5], tokens: [6, 7, 1, 0, 0], length: 3, advantage: -0.6 },
  { prompt: [5, 6, 7], tokens: [3, 3, 3, 8, 1], length: 5, advantage: -0.2 },
  { prompt: [5, 6, 7], tokens: [8, 1, 0, 0, 0], length: 2, advantage: 0.2 },
].map(({ prompt, tokens, ...rest }) => ({
  prompt: Int32Array.from(prompt),
  tokens: Int32Array.from(tokens),
  ...rest,
}));

/** Three masks of each completion, as the estimator draws them. */
const masks = completions.map(({ prompt, tokens: completion, length }, j) => {
  const random = new Random(7, 'masks', j);
  return [0, 1, 2].map(() => {
    const mask = Uint8Array.from({ length: prompt.length + completion.length }, (_, position) =>
      position >= prompt.length + length ? 1 : random.integer(2),
    );
    mask[prompt.length + random.integer(length)] = 1;
    return mask;
  });
});

function slowLoss({ config }: Checkpoint, weights: ReferenceWeights, settings: ReferenceSettings): number {
  return referenceLoss(
    completions.map(({ prompt, tokens: completion, length, advantage }, j) => {
      const text = [...prompt, ...completion];
      return {
        length,
        advantage,
        masks: masks[j]!.map((mask) => [...mask.slice(prompt.length)]),
        logp: masks[j]!.map((mask) => {
          const seen = text.map((token, position) => (mask[position] ? special.mask : token));
          const logits = referencePredictions(config, weights, seen);
          return [...completion].map((token, i) => logProbability(logits[prompt.length + i]!, token));
        }),
      };
    }),
    settings,
  );
}

describe("the gradient of SPG's loss with respect to every weight of a transformer", () => {
  const cases: readonly [string, ReferenceSettings['branch'], ReferenceSettings['estimator'], object][] = [
    ['spg-mixture', 'mixture', 'released', {}],
    ['spg-mixture', 'mixture', 'paper', everyOption],
    ['spg-eubo', 'eubo', 'released', {}],
    ['spg-positive', 'none', 'released', {}],
  ];
  for (const [name, branch, estimator, changes] of cases)
    it(`${name}, ${estimator}${changes === everyOption ? ', with every option of a model' : ''}`, async () => {
      const checkpoint = tinyCheckpoint({ vocab_size: 9, ...changes });
      const model = await load(checkpoint);
      const settings = settingsOf({ estimator, beta: 1.5, omega: 0.4 });
      const { batch } = spgByName(name).fromMasks(completions, masks, settings, special);
      const trainer = new Trainer(model, spgByName(name).loss, optimizer);
      const { loss } = await trainer.step([batch]);
      const slow = (weights: ReferenceWeights) =>
        slowLoss(checkpoint, weights, { estimator, branch, beta: 1.5, omega: 0.4 });
      const expected = slow(checkpoint.weights);
      assert.ok(Math.abs(loss - expected) < 2e-4 * Math.max(1, Math.abs(expected)), `${loss}, not ${expected}`);
      for (const [parameter, positions] of finiteDifferences(checkpoint.weights, slow, 4)) {
        const { data } = await model.state.read(`optimizer.m.${parameter}`);
        const gradient = Array.from(data, (moment) => moment / (1 - optimizer.beta1));
        const scale = Math.max(...gradient.map(Math.abs));
        assert.ok(scale > 1e-5, `${parameter} has a gradient`);
        for (const [position, wanted] of positions)
          assert.ok(
            Math.abs(gradient[position]! - wanted) < 2e-4 * scale + 1e-6,
            `${parameter}[${position}]: ${gradient[position]}, not ${wanted}`,
          );
      }
      await trainer.dispose();
      await model.dispose();
    });
});

describe('an update', () => {
  for (const objective of objectives)
    it(`of ${objective.name} is the same for every size of micro-batch`, async () => {
      const checkpoint = tinyCheckpoint(everyOption);
      const many = [...completions, ...completions].map((completion, index) => ({
        ...completion,
        advantage: completion.advantage * (1 + index),
      }));
      const done: { micro_batch: number; numbers: [string, number][]; weights: Map<string, HostTensor> }[] = [];
      for (const micro_batch of [1, 3, 8, 48]) {
        const model = await load(checkpoint);
        const trainer = new Trainer(model, objective.loss, optimizer);
        const numbers: [string, number][] = [];
        for (let step = 0; step < 2; step++) {
          const update = objective.update(many, settingsOf({ micro_batch }), special, new Random(step, 'update'));
          const result = await trainer.step(update.batches);
          const { loss, gradNorm: grad_norm } = result;
          numbers.push(...Object.entries({ loss, grad_norm, ...update.metrics(result) }).sort());
        }
        done.push({ micro_batch, numbers, weights: await model.readWeights() });
        await trainer.dispose();
        await model.dispose();
      }
      for (const { micro_batch, numbers, weights } of done.slice(1)) {
        numbers.forEach(([name, number], index) => {
          const [same, first] = done[0]!.numbers[index]!;
          assert.equal(name, same);
          assertNear([number], [first], `${micro_batch}: ${name}`);
        });
        for (const [name, { data }] of weights)
          assertNear(data, done[0]!.weights.get(name)!.data, `${micro_batch}: ${name}`);
      }
    });

  it('without an advantage anywhere has no batch at all', () => {
    const equal = completions.map((completion) => ({ ...completion, advantage: 0 }));
    for (const objective of objectives)
      assert.deepEqual(objective.update(equal, settingsOf(), special, new Random(1, 'none')).batches, []);
  });

  it('leaves out completions without advantage, and negative ones where only positive ones count', () => {
    const some = completions.with(0, { ...completions[0]!, advantage: 0 });
    const rows = (name: string) =>
      spgByName(name).update(some, settingsOf({ mask_samples: 1, micro_batch: 1 }), special, new Random(1, 'some'))
        .batches.length;
    assert.equal(rows('spg-mixture'), 3);
    assert.equal(rows('spg-positive'), 1);
  });

  it('draws new masks from its random stream, reproducibly', () => {
    const masked = (seed: number) =>
      objectives[0]!.update(completions, settingsOf(), special, new Random(seed, 'fresh')).batches[0]!.tokens.data;
    assert.deepEqual(masked(1), masked(1));
    assert.notDeepEqual(masked(1), masked(2));
  });

  it('weights by length over all completions of the step, including those without an advantage', async () => {
    const checkpoint = tinyCheckpoint();
    const model = await load(checkpoint);
    const trainer = new Trainer(model, objectives[0]!.loss, optimizer);
    const [longer] = completions as [ScoredCompletion];
    const loss = async (others: ScoredCompletion[]) => {
      const { batches } = objectives[0]!.update([longer, ...others], settingsOf(), special, new Random(1, 'weights'));
      return (await trainer.evaluate(batches[0]!)).loss;
    };
    const idle = { ...longer, advantage: 0 };
    const alone = await loss([]);
    assert.ok(Math.abs((await loss([idle])) - alone / 2) < 1e-4);
    assert.ok(Math.abs((await loss([idle, { ...idle, length: 2 }])) - (alone * 5) / 12) < 1e-4);
    await trainer.dispose();
    await model.dispose();
  });

  it('reports the bounds of good and bad completions per token, and the entropy of the masked tokens', async () => {
    const checkpoint = tinyCheckpoint({ vocab_size: 9 });
    // An uninformed model: every token is equally likely.
    for (const { data } of checkpoint.weights.values()) data.fill(0);
    const model = await load(checkpoint);
    const trainer = new Trainer(model, objectives[0]!.loss, optimizer);
    for (const estimator of ['released', 'paper'] as const) {
      const settings = settingsOf({ estimator, masking: 'all' });
      const update = objectives[0]!.update(completions, settings, special, new Random(1, 'metrics'));
      const { metrics } = await trainer.evaluate(update.batches[0]!);
      const found = update.metrics({ loss: 0, gradNorm: 0, learningRate: 0, metrics: [metrics] });
      const all = -Math.log(9);
      const expected = { elbo_positive: all, elbo_negative: all, eubo_negative: all, entropy: -all };
      assert.deepEqual(Object.keys(found).sort(), Object.keys(expected).sort());
      for (const [name, value] of Object.entries(expected))
        assert.ok(Math.abs(found[name]! - value) < 1e-4, `${estimator} ${name}: ${found[name]}`);
    }
    await trainer.dispose();
    await model.dispose();
  });

  it('with the loose bound uses U - 1 instead of log U', async () => {
    const checkpoint = tinyCheckpoint({ vocab_size: 9 });
    for (const { data } of checkpoint.weights.values()) data.fill(0);
    const model = await load(checkpoint);
    const { loss } = spgByName('spg-eubo');
    const trainer = new Trainer(model, loss, optimizer);
    const bad = completions.filter(({ advantage }) => advantage < 0);
    for (const [upper_bound, perToken] of [
      ['log', Math.log(1 / 9)],
      ['loose', 1 / 9 - 1],
    ] as const) {
      const settings = settingsOf({ estimator: 'paper', masking: 'all', upper_bound });
      const { batches } = spgByName('spg-eubo').update(bad, settings, special, new Random(1, 'loose'));
      const { metrics } = await trainer.evaluate({ loss, ...batches[0]! });
      bad.forEach(({ length }, j) => {
        assert.ok(Math.abs(metrics.eubo!.data[j]! - length * perToken) < 1e-4, `${upper_bound} of ${j}`);
      });
    }
    await trainer.dispose();
    await model.dispose();
  });
});

it('an unknown objective is rejected with a list of the known ones', () => {
  assert.throws(() => objectiveByName('ppo'), {
    name: 'UsageError',
    message: /^Unknown objective ppo; the objectives are spg-mixture, spg-eubo, spg-elbo, spg-positive, /,
  });
});

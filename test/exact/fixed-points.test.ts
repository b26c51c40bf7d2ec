import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Random } from '../../src/platform/random.ts';
import type { Batch } from '../../src/training/trainer.ts';
import { EstimatorSetup, worldSettings } from '../../src/tuning/exact/estimators.ts';
import { tiltedTarget } from '../../src/tuning/objectives/dtm.ts';
import { objectiveByName } from '../../src/tuning/objectives/registry.ts';
import { rspoWeights } from '../../src/tuning/objectives/rspo.ts';
import { residuals } from '../../src/tuning/objectives/trafl.ts';
import { generateRollouts } from '../../src/tuning/rollouts.ts';
import { oneThread } from '../model/tiny-model.ts';

describe('the fixed point of a method', () => {
  // A joint distribution of three letters out of four, and a reward of every text.
  const random = new Random(4, 'joint');
  const texts = Array.from({ length: 64 }, (_, index) => [index & 3, (index >> 2) & 3, index >> 4]);
  const raw = texts.map(() => random.uniform());
  const joint = raw.map((weight) => weight / raw.reduce((sum, own) => sum + own, 0));
  const rewards = texts.map(() => random.uniform());

  for (const control_variate of [0, 0.4, 1])
    it(`dtm's expected target is the tilted posterior, with c = ${control_variate} as well`, () => {
      const tilt_step = 1.7;
      // The state: the second letter is known, the first is the target.
      const fitting = texts.flatMap((text, index) => (text[1] === 2 ? [index] : []));
      const mass = fitting.reduce((sum, index) => sum + joint[index]!, 0);
      const posterior = (letter: number, weigh: (index: number) => number) =>
        fitting.reduce(
          (sum, index) => sum + (texts[index]![0] === letter ? (joint[index]! / mass) * weigh(index) : 0),
          0,
        );
      const target = [0, 1, 2, 3].map((letter) =>
        fitting.reduce((sum, index) => {
          const { teacher, sampled } = tiltedTarget(rewards[index]!, { tilt_step, control_variate });
          const own = teacher * posterior(letter, () => 1) + (texts[index]![0] === letter ? sampled : 0);
          return sum + (joint[index]! / mass) * own;
        }, 0),
      );
      const tilted = [0, 1, 2, 3].map((letter) => posterior(letter, (index) => Math.exp(tilt_step * rewards[index]!)));
      const [all, every] = [target, tilted].map((values) => values.reduce((sum, own) => sum + own, 0));
      // Cross-entropy with a target is minimal at the normalised target.
      for (const [letter, own] of target.entries()) assert.ok(Math.abs(own / all! - tilted[letter]! / every!) < 1e-12);
    });

  it("trafl's residual is zero at p_ref exp(beta r) / Z, with either log Z", () => {
    const beta = 3;
    const rewards = [1, 0, 0.5, 0.25, 0.25, 1];
    const completions = rewards.map((reward, j) => {
      const group = Math.floor(j / 3);
      const own = rewards.slice(3 * group, 3 * group + 3);
      return { group, advantage: reward - own.reduce((sum, other) => sum + other, 0) / 3 };
    });
    const logZ = [0.7, 0.7, 0.7, -0.2, -0.2, -0.2];
    const relative = completions.map(({ advantage }, j) => beta * advantage - logZ[j]!);
    for (const z of [null, logZ])
      for (const delta of residuals(completions, relative, beta, z)) assert.ok(Math.abs(delta) < 1e-12);
    const off = residuals(completions, relative.with(0, relative[0]! + 1), beta, null);
    assert.ok(off[0]! > 0.5 && Math.abs(off[3]!) < 1e-12, 'another completion changes only its own group');
  });

  it('rspo has its minimum at advantage / lambda, with gradients towards it on both sides', () => {
    const lambda = 0.2;
    const advantages = [0.5, -0.3, -0.2];
    const goal = advantages.map((own) => own / lambda + 4);
    for (const weight of rspoWeights(goal, advantages, lambda)) assert.ok(Math.abs(weight) < 1e-12);
    const start = rspoWeights([0, 0, 0], advantages, lambda);
    for (const [j, weight] of start.entries()) assert.ok(Math.abs(weight + advantages[j]! / 3) < 1e-12);
    const beyond = rspoWeights(
      goal.map((own) => 2 * (own - 4)),
      advantages,
      lambda,
    );
    assert.ok(
      beyond.every((weight, j) => weight * advantages[j]! > 0),
      'the other way',
    );
  });
});

describe('policy, old policy and reference use the same canvases', () => {
  let bed: EstimatorSetup;
  before(async () => {
    bed = await EstimatorSetup.open(oneThread(), { seed: 3, length: 4 });
  });
  after(() => bed.dispose());

  /** A method's first two updates on a step's rollouts, and everything that it scored under the current policy. */
  async function observed(name: string, changes: object = {}) {
    const settings = worldSettings(4, { inner_updates: 2, kl: 0.1, clean_token_masking: 0.15, ...changes });
    const scored: Batch[] = [];
    const run = bed.run(settings);
    const method = objectiveByName(name).begin({
      ...run,
      evaluate: (batch) => {
        scored.push(batch);
        return run.evaluate(batch);
      },
    });
    const round = await method.prepare(bed.collect(await generateRollouts(bed.model, bed.jobs(1, 0, 12)), 6, 1, 0));
    const updates = [await round.update(0), await round.update(1)];
    await method.dispose?.();
    return { scored, updates };
  }

  const canvases = (batches: readonly Batch[]) => batches.map(({ tokens }) => [...tokens.data].join());

  for (const name of ['diffu-grpo', 'unigrpo', 'coupled-grpo', 'espo', 'egspo', 'ebpo', 'trafl', 'rspo'])
    it(`${name}, in every inner update`, async () => {
      const { scored, updates } = await observed(name);
      const seen = updates.map(({ batches }) => canvases(batches));
      assert.deepEqual(canvases(scored), seen.flat());
      if (name !== 'egspo') assert.notDeepEqual(seen[0], seen[1], 'other canvases in the next update');
    });

  it('so that a reference equal to the policy shows no difference', async () => {
    for (const name of ['diffu-grpo', 'unigrpo', 'coupled-grpo', 'espo', 'egspo', 'ebpo']) {
      const { updates } = await observed(name);
      for (const { batches } of updates)
        for (const { extra } of batches) assert.deepEqual(extra.reference!.data, extra.old!.data, name);
    }
    const { updates } = await observed('rspo');
    const advantages = updates[0]!.batches.flatMap(({ extra }) => [...extra.weights!.data]);
    assert.ok(Math.abs(advantages.reduce((sum, own) => sum + own, 0)) < 1e-6, 'only advantages remain');
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PastPolicies } from '../../src/tuning/past-policies.ts';
import { methodOf } from './sevens.ts';

/** A model with one weight, which is the number of the step. */
function numbered(staleness: number) {
  const weight = { shape: [1], data: new Float32Array(1) };
  const model = {
    readWeights: async () => new Map([['w', { shape: [1], data: weight.data.slice() }]]),
    state: { write: async (_: string, { data }: { data: Float32Array }) => void weight.data.set(data) },
  };
  const policies = new PastPolicies(model as never, staleness);
  const begin = async (step: number) => {
    weight.data[0] = step;
    await policies.begin(step);
  };
  return { policies, begin, weight };
}

describe('the policies of the last steps', () => {
  it('generate the rollouts of steps that are at most `staleness` later, each step by one policy', async () => {
    const { policies, begin } = numbered(2);
    const seen: (number | number[])[][] = [];
    for (const step of [1, 2, 3, 4]) {
      await begin(step);
      seen.push([policies.generatorOf(step), policies.stepsAhead]);
    }
    assert.deepEqual(seen, [
      [1, [2, 3]],
      [1, [4]],
      [1, [5]],
      [2, [6]],
    ]);
  });

  it('begin with the current one after a run was resumed', async () => {
    const { policies, begin } = numbered(1);
    await begin(7);
    assert.deepEqual([policies.generatorOf(7), policies.stepsAhead], [7, [8]]);
  });

  it('replace the current one only during the work, also if it fails', async () => {
    const { policies, begin, weight } = numbered(1);
    await begin(1);
    await begin(2);
    assert.equal(await policies.underGenerator(async () => weight.data[0]), 1);
    assert.equal(weight.data[0], 2);
    await assert.rejects(
      policies.underGenerator(async () => {
        throw new Error('failed');
      }),
      /failed/,
    );
    assert.equal(weight.data[0], 2);
  });

  it('are not stored without staleness', async () => {
    const { policies, begin } = numbered(0);
    await begin(1);
    await begin(2);
    assert.deepEqual([policies.generatorOf(2), policies.stepsAhead, policies.weightsOf(2)], [2, [], undefined]);
  });
});

describe('a run with staleness', () => {
  // One update per step: under the generating policy, the ratio of the first update of a step is 1 only if that policy is the current one.
  const settings = { inner_updates: 1, clip_low: 1e-6, clip_high: 1e-6, learning_rate: 3e-2 };
  const clipRatios = async (staleness: number) => {
    const { model, method } = await methodOf({ ...settings, staleness }, 'diffu-grpo');
    const steps = [];
    for (let step = 1; step <= 3; step++) {
      const { metrics, samples } = await method.step(step);
      steps.push({ clipped: metrics.clip_ratio! > 0, versions: [...new Set(samples!.map((s) => s.policyVersion))] });
    }
    await method.dispose?.();
    await model.dispose();
    return steps;
  };

  it('compares the current policy with the one that generated the rollouts', async () => {
    assert.deepEqual(await clipRatios(0), [
      { clipped: false, versions: [0] },
      { clipped: false, versions: [1] },
      { clipped: false, versions: [2] },
    ]);
    assert.deepEqual(await clipRatios(1), [
      { clipped: false, versions: [0] },
      { clipped: true, versions: [0] },
      { clipped: true, versions: [1] },
    ]);
  });
});

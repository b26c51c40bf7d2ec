import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limitOf, type ScalingModel, secondsPerStep } from '../../bench/scaling/simulate.ts';

const model: ScalingModel = {
  ...{ workers: 1, steps: 10, groups: 12, groupSeconds: 3, rewardSeconds: 0.5, rewardSlots: 4, updateSeconds: 2 },
  ...{ policyBytes: 400, resultBytes: 10, bandwidth: 1000, staleness: 0 },
};
const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 1e-9 * expected, `${actual} instead of ${expected}`);

describe('the simulation of workers', () => {
  it('adds everything up for one worker', () => {
    // The policy is sent and fetched; results travel and are rewarded while the next group is generated, except the last one.
    near(secondsPerStep(model), 2 * 0.4 + 12 * 3 + 0.01 + 0.5 + 2);
  });

  it('is a group, its rewards and an update for any number of workers on an infinitely fast network', () => {
    const ideal = { ...model, workers: 256, rewardSlots: 1000, bandwidth: Number.POSITIVE_INFINITY };
    near(secondsPerStep(ideal), 3 + 0.5 + 2);
  });

  it('takes as many rounds as groups need', () => {
    const ideal = { ...model, rewardSeconds: 0, bandwidth: Number.POSITIVE_INFINITY };
    for (const workers of [1, 2, 3, 5, 8, 12, 13])
      near(secondsPerStep({ ...ideal, workers }), Math.ceil(12 / workers) * 3 + 2);
  });

  it('is the transfers of all policies and results where the network is the limit', () => {
    const bound = { ...model, workers: 12, groupSeconds: 0, rewardSeconds: 0, updateSeconds: 0 };
    near(secondsPerStep(bound), (13 * 400 + 12 * 10) / 1000);
    assert.equal(limitOf({ ...model, workers: 12, bandwidth: 100 }), 'network');
  });

  it('is the rewards divided by their slots where these are the limit', () => {
    const bound = { ...model, workers: 12, rewardSeconds: 50, bandwidth: Number.POSITIVE_INFINITY };
    near(secondsPerStep(bound), 3 + (12 / 4) * 50 + 2);
    assert.equal(limitOf(bound), 'rewards');
  });

  it('overlaps rollouts and updates with a staleness of 1, up to the slower of the two', () => {
    const ideal = { ...model, workers: 12, rewardSeconds: 0, bandwidth: Number.POSITIVE_INFINITY, steps: 200 };
    const stale = secondsPerStep({ ...ideal, staleness: 1 });
    assert.ok(Math.abs(stale - 3) < 0.05, `${stale}`);
    const slow = { ...ideal, updateSeconds: 7, staleness: 1 };
    assert.ok(Math.abs(secondsPerStep(slow) - 7) < 0.05);
    assert.equal(limitOf(slow), 'trainer');
    assert.equal(limitOf({ ...ideal, updateSeconds: 1 }), 'rollouts');
  });
});

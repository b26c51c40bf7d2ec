import assert from 'node:assert/strict';
import { it } from 'node:test';
import { groupAdvantages } from '../../src/tuning/advantages.ts';

it('an advantage is the reward minus the mean of its group, without division', () => {
  const { advantages, meanStd, zeroStdShare } = groupAdvantages([0, 1, 1, 10, 20, 30], 3);
  [-2 / 3, 1 / 3, 1 / 3, -10, 0, 10].forEach((expected, index) => {
    assert.ok(Math.abs(advantages[index]! - expected) < 1e-12);
  });
  assert.ok(Math.abs(meanStd - (Math.sqrt(1 / 3) + 10) / 2) < 1e-12, 'the sample standard deviation, as in TRL');
  assert.equal(zeroStdShare, 0);
});

it('a group of equal rewards has advantages of exactly 0, and is counted', () => {
  const { advantages, meanStd, zeroStdShare } = groupAdvantages([0.1, 0.1, 0.1, 0, 1, 0, 0.7, 0.7, 0.7], 3);
  assert.deepEqual(advantages.slice(0, 3), [0, 0, 0]);
  assert.deepEqual(advantages.slice(6), [0, 0, 0]);
  assert.equal(zeroStdShare, 2 / 3);
  assert.ok(Math.abs(meanStd - Math.sqrt(1 / 3) / 3) < 1e-12);
});

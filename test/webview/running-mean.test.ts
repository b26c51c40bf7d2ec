import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runningMean } from '../../webview/running-mean.ts';

it('a running mean preserves a slope up to its ends, skips gaps, and smooths noise', () => {
  assert.deepEqual(runningMean([0, 1, 2, 3, 4], 3), [0, 1, 2, 3, 4]);
  assert.deepEqual(runningMean([0, 6, 0, 6, 0], 3), [0, 2, 4, 2, 0]);
  assert.deepEqual(runningMean([2, null, 4], 3), [2, 3, 4]);
  assert.deepEqual(runningMean([null, null, null], 3), [null, null, null]);
  assert.deepEqual(runningMean([], 3), []);
});

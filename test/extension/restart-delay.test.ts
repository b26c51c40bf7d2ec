import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextDelay } from '../../src/extension/restart-delay.ts';

describe('a runtime that crashes', () => {
  const minute = 60_000;
  it('is restarted with a growing delay, and no longer after several crashes in a row', () => {
    const now = 100 * minute;
    const ends: number[] = [];
    const delays = Array.from({ length: 6 }, (_, index) => {
      ends.push(now + index * 1000);
      return nextDelay(ends, now + index * 1000);
    });
    assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16_000, null]);
  });
  it('is restarted without delay if the last crash was long ago', () => {
    assert.equal(nextDelay([0, 1000, 2000, 10 * minute], 10 * minute), 1000);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextDelay } from '../../src/extension/restart-delay.ts';

describe('a runtime that ends', () => {
  const minute = 60_000;
  it('is started later each time, and given up after several ends in a row', () => {
    const now = 100 * minute;
    const ends: number[] = [];
    const delays = Array.from({ length: 6 }, (_, index) => {
      ends.push(now + index * 1000);
      return nextDelay(ends, now + index * 1000);
    });
    assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16_000, null]);
  });
  it('begins anew when the last end is long ago', () => {
    assert.equal(nextDelay([0, 1000, 2000, 10 * minute], 10 * minute), 1000);
  });
});

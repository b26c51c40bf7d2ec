import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TooSlow, withinTime } from '../../src/platform/time-limit.ts';

describe('work within a time limit', () => {
  it('is ended if it computes for longer', () => {
    assert.throws(
      () =>
        withinTime(50, () => {
          for (;;);
        }),
      TooSlow,
    );
    assert.throws(() => withinTime(1000, () => JSON.parse('{')), SyntaxError);
  });

  it('starts again if the process hardly computed, as on a busy machine, but not forever', () => {
    const pause = (milliseconds: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
    let attempts = 0;
    // Other threads of this process, such as that of the module loader, compute too, but for less than half of the limit.
    const once = withinTime(1000, () => {
      if (++attempts === 1) pause(1500);
      return 'done';
    });
    assert.deepEqual([once, attempts], ['done', 2]);
    assert.throws(() => withinTime(100, () => pause(300)), TooSlow);
  });
});

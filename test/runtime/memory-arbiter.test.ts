import assert from 'node:assert/strict';
import { it } from 'node:test';
import { whyNoRoom } from '../../src/runtime/memory-arbiter.ts';

const gib = 2 ** 30;
const job = (name: string, memory: number | null) => ({ name, memory });

it('leaves a model where it is while everything fits, and else says what does not', () => {
  const on = (memory: number | null, device = 'webgpu') => ({ device, bytes: 2 * gib, memory });
  assert.equal(whyNoRoom([], on(0)), null);
  assert.equal(whyNoRoom([job('a', 6 * gib)], on(8 * gib)), null);
  assert.equal(whyNoRoom([job('an older one, that says nothing', null)], on(1)), null);
  assert.equal(
    whyNoRoom([job('a', 6 * gib), job('quiet', null)], on(7.5 * gib)),
    "The model made room for a: about 6.0 GiB and the model's 2.0 GiB are more than the 7.5 GiB that the webgpu device has; completions come back when it is over.",
  );
  assert.match(
    whyNoRoom([job('a', 3 * gib), job('b', 3.5 * gib)], on(8 * gib, 'cpu')) ?? '',
    /room for 2 jobs: about 6\.5 GiB .* the 8\.0 GiB that this machine has;/,
  );
});

it('takes a graphics card that does not tell for a small one', () => {
  const unknown = { device: 'dml', bytes: gib, memory: null };
  assert.equal(whyNoRoom([job('a', 3 * gib)], unknown), null);
  assert.match(whyNoRoom([job('a', 3.5 * gib)], unknown) ?? '', /the 4\.0 GiB that the dml device is taken to have;/);
});

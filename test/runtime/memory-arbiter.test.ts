import assert from 'node:assert/strict';
import { it } from 'node:test';
import { memoryShortage } from '../../src/runtime/memory-arbiter.ts';

const gib = 2 ** 30;
const job = (name: string, memory: number | null) => ({ name, memory });

it('keeps a model in memory while everything fits, and otherwise reports what does not', () => {
  const on = (memory: number | null, device = 'webgpu') => ({ device, bytes: 2 * gib, memory });
  assert.equal(memoryShortage([], on(0)), null);
  assert.equal(memoryShortage([job('a', 6 * gib)], on(8 * gib)), null);
  assert.equal(memoryShortage([job('an older one, that says nothing', null)], on(1)), null);
  assert.equal(
    memoryShortage([job('a', 6 * gib), job('quiet', null)], on(7.5 * gib)),
    'The model was unloaded because a needs the memory: about 6.0 GiB, and the model needs 2.0 GiB, but the webgpu device has 7.5 GiB. Completions resume when it ends.',
  );
  assert.match(
    memoryShortage([job('a', 3 * gib), job('b', 3.5 * gib)], on(8 * gib, 'cpu')) ?? '',
    /because 2 jobs need the memory: about 6\.5 GiB, .* but this machine has 8\.0 GiB\. .* when they end\.$/,
  );
});

it('assumes a small memory for a graphics card that does not report its own', () => {
  const unknown = { device: 'dml', bytes: gib, memory: null };
  assert.equal(memoryShortage([job('a', 3 * gib)], unknown), null);
  assert.match(memoryShortage([job('a', 3.5 * gib)], unknown) ?? '', /the dml device has 4\.0 GiB \(assumed\)\./);
});

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { deviceMemory, graphicsMemory, sharesMemory } from '../../src/engine/device-memory.ts';
import { knownDevices } from '../../src/engine/open-engine.ts';
import { machineMemory } from '../../src/platform/machine-memory.ts';

const machine = { total: 32 * 2 ** 30, free: 20 * 2 ** 30 };
const mib = 2 ** 20;

it('distinguishes the processor from the graphics card', async () => {
  const onProcessor = knownDevices.filter(({ device }) => sharesMemory(device, 'cpu')).map(({ device }) => device);
  assert.deepEqual([...new Set(onProcessor)], ['cpu', 'node', 'wasm']);
  assert.ok(sharesMemory('webgpu', 'cuda') && !sharesMemory('webgpu', 'wasm'));
  assert.equal((await deviceMemory('cpu'))?.total, machineMemory().total);
  // The query must succeed on any machine.
  const card = await deviceMemory('webgpu');
  assert.ok(card === null || card.total >= card.free);
});

it('selects the largest card, or the machine if the card has no dedicated memory', () => {
  const integrated = { vendor: 'Intel', vram: 256, vramDynamic: true };
  const driver = {
    vendor: 'NVIDIA',
    vram: 8192,
    vramDynamic: false,
    memoryTotal: 8192,
    memoryUsed: 192,
    memoryFree: 8000,
  };
  const plain = { vendor: 'AMD', vram: 16_384, vramDynamic: false };
  assert.equal(graphicsMemory([], machine), null);
  assert.deepEqual(graphicsMemory([integrated], machine), machine);
  assert.deepEqual(graphicsMemory([integrated, driver], machine), { total: 8192 * mib, free: 8000 * mib });
  assert.deepEqual(graphicsMemory([driver, plain], machine), { total: 16_384 * mib, free: 16_384 * mib });
  assert.equal(graphicsMemory([{ vendor: 'Red Hat', vram: null, vramDynamic: false }], machine), null);
});

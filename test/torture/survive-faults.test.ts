import assert from 'node:assert/strict';
import { it } from 'node:test';
import { surviveFaults } from './survive-faults.ts';

// The short form of `npm run torture -- faults`, with the same faults in every run.
it('tuning runs that are killed, and whose disk is full, end on the same parameters, with each event once', async () => {
  const { injected } = await surviveFaults({ faults: 3, seed: 12, kinds: ['kill', 'disk-full'], slowSync: 100 });
  assert.ok([...injected.values()].reduce((a, b) => a + b, 0) >= 3);
});

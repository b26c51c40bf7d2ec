import assert from 'node:assert/strict';
import { it } from 'node:test';
import { findRedis } from '../workers/redis-server.ts';
import { surviveWorkerFaults } from './worker-faults.ts';

// The short form of `npm run torture -- workers`.
it('a run with workers that are killed ends on the parameters of one machine, to the last bit', async (test) => {
  const redis = await findRedis();
  if (typeof redis === 'string') return test.skip(redis);
  const survived = await surviveWorkerFaults({ redis, workers: 2, kills: 5, restarts: 1, steps: 8, seed: 4 });
  assert.deepEqual([survived.kills, survived.restarts], [5, 1]);
  const { here, ...workers } = Object.fromEntries(survived.shares);
  assert.ok(
    Object.values(workers).some((groups) => groups > 0),
    `workers computed groups: ${JSON.stringify({ here, ...workers })}`,
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { surviveKilledTasks } from './job-array.ts';
import { findSlurm, SlurmCluster } from './slurm-cluster.ts';

const slurm = await findSlurm();
const skip = typeof slurm === 'string' ? slurm : false;

test('an array of 4 Slurm tasks, of which one is killed and run again, gives the result of one process', {
  skip,
}, async (t) => {
  assert.ok(typeof slurm !== 'string');
  const cluster = await SlurmCluster.start(slurm);
  t.after(() => cluster.close());
  assert.equal(await surviveKilledTasks(cluster, { tasks: 4, killed: [3] }), 29);
});

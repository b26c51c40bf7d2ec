/**
 * A job for the tests, run as a separate process: `node --import tsx test/runs/job.ts new|resume DIR [STEPS]`.
 * It writes steps as fast as it can, and prints its run directory on stdout.
 */

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Random } from '../../src/platform/random.ts';
import { latestCheckpoint } from '../../src/runs/checkpoints.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { newRun, reward } from './example.ts';

const [, , mode, dir, count] = process.argv as unknown as [
  string,
  string,
  'new' | 'resume',
  string,
  string | undefined,
];
const start = mode === 'resume' ? ((await latestCheckpoint(dir))?.step ?? 0) : 0;
const run = mode === 'new' ? await RunWriter.create(dir, newRun) : await RunWriter.resume(dir, start);
process.stdout.write(`${run.dir}\n`);
const last = Number(count ?? 1e9);
for (let step = start + 1; step <= last; step++) {
  let request = await run.request();
  if (request === 'pause') request = await run.whilePaused();
  if (request === 'stop') {
    await run.close('interrupted');
    process.exit(130);
  }
  const random = new Random(run.configuration.seed, 'step', step);
  await run.append({ step, time: Date.now() / 1000, reward: reward(step), loss: random.uniform() });
  if (step % 2 === 0) {
    await run.samples(step, [
      {
        prompt: 'p',
        completion: `c${step}`,
        rewards: { total: 1 },
        advantage: 0,
        policyVersion: step,
        seed: 1,
        tokens: [1],
        revealedAt: [0],
        confidence: [0.5],
      },
    ]);
  }
  if (step % 5 === 0) {
    await run.checkpoint(step, async (folder) => {
      await writeFile(path.join(folder, 'model.safetensors'), String(step).repeat(100));
      await writeFile(path.join(folder, 'state.json'), JSON.stringify({ step }));
    });
  }
  await run.progress(step, null);
}
await run.close('finished');

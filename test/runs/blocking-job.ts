/**
 * A job for the tests, run as a process of its own: `node --import tsx test/runs/blocking-job.ts ROOT block|exit SECONDS`.
 * It tells its run directory on standard output, then blocks its main thread as an engine does, or leaves its process
 * while the job is under way.
 */
import { runJob } from '../../src/runs/run-job.ts';
import { newRun } from './example.ts';

const [, , root, mode, seconds] = process.argv as unknown as [string, string, string, 'block' | 'exit', string];
await runJob({
  location: { root, run: newRun },
  hooks: { onStart: ({ dir }) => void process.stdout.write(`${dir}\n`) },
  async work({ run }) {
    await run.progress(0, null);
    // The first heartbeat comes from a thread that is still starting.
    await new Promise((resolve) => setTimeout(resolve, 500));
    if (mode === 'exit') process.exit(7);
    const end = performance.now() + 1000 * Number(seconds);
    let sum = 0;
    while (performance.now() < end) sum += Math.sqrt(sum);
    return { sum };
  },
});
process.exit(0);

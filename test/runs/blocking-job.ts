/**
 * A job for the tests, run as a separate process: `node --import tsx test/runs/blocking-job.ts ROOT block|exit
 * SECONDS`.
 * It prints its run directory on stdout. Then it blocks its main thread, as an engine does, or exits during the job.
 */
import { runJob } from '../../src/runs/run-job.ts';
import { newRun } from './example.ts';

const [, , root, mode, seconds] = process.argv as unknown as [string, string, string, 'block' | 'exit', string];
await runJob({
  location: { root, run: newRun },
  hooks: { onStart: ({ dir }) => void process.stdout.write(`${dir}\n`) },
  async work({ run }) {
    await run.progress(0, null);
    // The thread that writes the first heartbeat is still starting.
    await new Promise((resolve) => setTimeout(resolve, 500));
    if (mode === 'exit') process.exit(7);
    const end = performance.now() + 1000 * Number(seconds);
    let sum = 0;
    while (performance.now() < end) sum += Math.sqrt(sum);
    return { sum };
  },
});
process.exit(0);

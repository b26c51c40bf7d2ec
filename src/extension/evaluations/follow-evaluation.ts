import { setTimeout as delay } from 'node:timers/promises';
import { count, duration } from '../../platform/amounts.ts';
import type { RunStatus } from '../../protocol/run.ts';
import { isOver, readStatus } from '../../runs/reader.ts';

/** Milliseconds between two reads of the status of an evaluation. */
const pollInterval = 400;

/** Reports a run's status until it is over or `signal` is aborted; returns the last status. */
export async function followStatus(
  dir: string,
  onStatus: (status: RunStatus) => void,
  signal: AbortSignal,
): Promise<RunStatus> {
  for (;;) {
    const status = await readStatus(dir);
    onStatus(status);
    if (isOver(status.state) || signal.aborted) return status;
    await delay(pollInterval, undefined, { signal }).catch(() => undefined);
  }
}

/** "62 of 256 answers, 12 s left". */
export function progressText({ state, step, steps, eta }: RunStatus): string {
  if (state === 'starting') return 'starting';
  const answers = steps === null ? count(step, 'answer') : `${step} of ${count(steps, 'answer')}`;
  if (state === 'paused' || state === 'stopping') return `${answers}, ${state}`;
  return eta === null ? answers : `${answers}, ${duration(eta)} left`;
}

/** Progress since `before` answers, in percent of all answers. */
export function increment(before: number, { step, steps }: RunStatus): number {
  return steps === null || steps === 0 ? 0 : (100 * (step - before)) / steps;
}

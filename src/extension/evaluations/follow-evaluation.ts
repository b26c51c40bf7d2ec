import { setTimeout as delay } from 'node:timers/promises';
import { duration } from '../../platform/amounts.ts';
import type { RunStatus } from '../../protocol/run.ts';
import { isOver, readStatus } from '../../runs/reader.ts';

/** Milliseconds between two looks at the status of an evaluation that somebody waits for. */
const lookEvery = 400;

/** Tells every change of a run's status until it is over; returns the last one. Ends early with `signal`. */
export async function followStatus(
  dir: string,
  onStatus: (status: RunStatus) => void,
  signal: AbortSignal,
): Promise<RunStatus> {
  for (;;) {
    const status = await readStatus(dir);
    onStatus(status);
    if (isOver(status.state) || signal.aborted) return status;
    await delay(lookEvery, undefined, { signal }).catch(() => undefined);
  }
}

/** "62 of 256 answers, 12 s left". */
export function progressText({ state, step, steps, eta }: RunStatus): string {
  if (state === 'starting') return 'starting';
  const answers = steps === null ? `${step} answers` : `${step} of ${steps} answers`;
  if (state === 'paused' || state === 'stopping') return `${answers}, ${state}`;
  return eta === null || step === 0 ? answers : `${answers}, ${duration(eta)} left`;
}

/** How much of the whole was done between two looks, in percent. */
export function increment(before: number, { step, steps }: RunStatus): number {
  return steps === null || steps === 0 ? 0 : (100 * (step - before)) / steps;
}

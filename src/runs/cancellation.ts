import { setTimeout as delay } from 'node:timers/promises';
import { Interrupted } from '../platform/errors.ts';
import type { RunWriter } from './writer.ts';

/** Milliseconds between two looks whether somebody wants the run to stop. */
const lookEvery = 300;

/** What a run ends with that somebody stopped. */
export const stoppedAfter = ({ configuration: { kind }, dir }: RunWriter, step: number): Interrupted =>
  new Interrupted(`Stopped after step ${step}; \`unmask ${kind} --resume ${dir}\` goes on from there.`);

/** Long work of a run between its steps; `checkCancelled` throws `Interrupted` once the run is to stop. `step` is the last that was made. */
export async function withCancellation<T>(
  run: RunWriter,
  { step, signal }: { readonly step: number; readonly signal: AbortSignal | undefined },
  work: (checkCancelled: () => void) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  let wanted = false;
  const look = async () => {
    while (!over.signal.aborted) {
      wanted ||= (await run.wish()) === 'stop';
      await delay(lookEvery, undefined, { signal: over.signal }).catch(() => undefined);
    }
  };
  // A run that is lost to another process says so with the next thing that is written.
  const looking = look().catch(() => undefined);
  try {
    return await work(() => {
      if (wanted || signal?.aborted) throw stoppedAfter(run, step);
    });
  } finally {
    over.abort();
    await looking;
  }
}

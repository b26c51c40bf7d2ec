import type { LiveStatus } from './run.ts';

/** Seconds inside one computation after which a reader says so. */
const longComputation = 5;
/** Processor cores below which a process that is inside one computation does not compute on the processor. */
const idle = 0.05;

/** What is shown of a run's activity; all of it may be absent. */
export type ShownActivity = Partial<
  Pick<LiveStatus, 'state' | 'activity' | 'pending' | 'busySince' | 'cores' | 'silentSince'>
>;

/**
 * What a living run is doing, in short parts for people: "step 1: rollouts 12 of 32", "in one computation for 12 s",
 * "pausing after this step". Empty if there is nothing to say. `now` is in Unix milliseconds.
 */
export function activityParts(
  { state, activity, pending, busySince, cores, silentSince }: ShownActivity,
  now = Date.now(),
): string[] {
  const secondsSince = (time: string) => Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  const parts = activity && state !== 'paused' ? [activity.text] : [];
  if (silentSince !== undefined) parts.push(`no sign of life for ${secondsSince(silentSince)} s`);
  else if (busySince !== undefined && secondsSince(busySince) >= longComputation) {
    const isIdle = cores !== undefined && cores < idle;
    parts.push(`in one computation for ${secondsSince(busySince)} s${isIdle ? ', without using the processor' : ''}`);
  }
  if (pending === 'pause') parts.push('pausing after this step');
  return parts;
}

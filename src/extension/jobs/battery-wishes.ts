import type { RunControl, RunState, RunWish } from '../../protocol/run.ts';

/** Stands at the head of the ids of requests that were made for the battery's sake. */
export const batteryAsker = 'battery';

/**
 * What to ask of a run for the battery's sake; null: nothing. On battery it is paused, unless somebody said that it is
 * to go on all the same; on mains it goes on if the last request was our pause. That request is in the run directory,
 * so it does not matter which window made it.
 */
export function batteryWish(
  onBattery: boolean,
  { state, control }: { readonly state: RunState; readonly control: RunControl | null },
): Exclude<RunWish, 'stop'> | null {
  const ours = control?.id.startsWith(`${batteryAsker}:`) ?? false;
  if (!onBattery) return ours && control?.want === 'pause' && state === 'paused' ? 'run' : null;
  const toGoOn = !ours && control?.want === 'run';
  return (state === 'running' || state === 'starting') && control?.want !== 'pause' && !toGoOn ? 'pause' : null;
}

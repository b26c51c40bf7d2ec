import type { RunControl, RunRequest, RunState } from '../../protocol/run.ts';

/** Prefix of the ids of control requests that were made because of the power supply. */
export const batteryRequester = 'battery';

/**
 * The control request that a run needs because of the power supply; null if none. On battery, a run is paused unless the
 * user has resumed it. On mains power, it resumes if the last request was our pause. Requests are kept in the run
 * directory, so it does not matter which window made them.
 */
export function batteryRequest(
  onBattery: boolean,
  { state, control }: { readonly state: RunState; readonly control: RunControl | null },
): Exclude<RunRequest, 'stop'> | null {
  const ours = control?.id.startsWith(`${batteryRequester}:`) ?? false;
  if (!onBattery) return ours && control?.want === 'pause' && state === 'paused' ? 'run' : null;
  const resumedByUser = !ours && control?.want === 'run';
  return (state === 'running' || state === 'starting') && control?.want !== 'pause' && !resumedByUser ? 'pause' : null;
}

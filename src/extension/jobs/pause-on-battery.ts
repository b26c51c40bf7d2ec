import * as vscode from 'vscode';
import { onBattery } from '../../platform/battery.ts';
import { messageOf } from '../../platform/errors.ts';
import { defaultJobSettings } from '../../protocol/default-settings.ts';
import { readControl, requestControl } from '../../runs/control.ts';
import { isOver } from '../../runs/reader.ts';
import { settings } from '../contributions.ts';
import { batteryRequest, batteryRequester } from './battery-requests.ts';
import type { Jobs } from './jobs.ts';

/** Milliseconds between two checks of the power supply while a run is active. */
const pollInterval = 30_000;

/** Pauses runs while the computer is on battery, if the setting is on. */
export function registerPauseOnBattery(
  context: vscode.ExtensionContext,
  jobs: Jobs,
  log: vscode.LogOutputChannel,
): void {
  const look = async () => {
    const activeRuns = [...jobs.runs.runs, ...jobs.evaluations.runs].filter(({ state }) => !isOver(state));
    if (
      activeRuns.length === 0 ||
      !vscode.workspace.getConfiguration().get<boolean>(settings.pauseOnBattery, defaultJobSettings.pauseOnBattery)
    )
      return;
    const battery = await onBattery();
    if (battery === null) return;
    for (const { dir, run, state } of activeRuns) {
      const want = batteryRequest(battery, { state, control: await readControl(dir) });
      if (want === null) continue;
      log.info(
        `${run}: ${want === 'pause' ? 'paused, because the computer is on battery' : 'resumed, because the computer is plugged in'}`,
      );
      await requestControl(dir, want, batteryRequester);
    }
  };
  const looking = () => void look().catch((error: unknown) => log.warn(messageOf(error)));
  const timer = setInterval(looking, pollInterval);
  context.subscriptions.push({ dispose: () => clearInterval(timer) });
}

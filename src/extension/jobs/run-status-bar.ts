import * as vscode from 'vscode';
import { duration } from '../../platform/amounts.ts';
import { activityParts } from '../../protocol/activity.ts';
import type { PanelRun } from '../../protocol/panel.ts';
import { isOver } from '../../runs/reader.ts';
import { commands } from '../contributions.ts';
import { progressOf, sentenceOf, stateIcons } from './describe-run.ts';
import type { Jobs } from './jobs.ts';

/** The status bar item for active runs; a click opens the newest one in the panel. */
export function registerRunStatusBar(context: vscode.ExtensionContext, jobs: Jobs): void {
  const item = vscode.window.createStatusBarItem('unmask.run', vscode.StatusBarAlignment.Right, 99);
  item.name = 'Unmask Run';
  const show = () => {
    const activeRuns = jobs.runs.runs.filter(({ state }) => !isOver(state));
    const [newest] = activeRuns;
    if (!newest) {
      item.hide();
      return;
    }
    item.text = statusText(newest, activeRuns.length - 1);
    item.tooltip = activeRuns
      .map((run) => `${sentenceOf(run)}: ${[run.state, progressOf(run), ...activityParts(run)].join(', ')}${left(run)}`)
      .join('\n');
    item.accessibilityInformation = { label: `Unmask: ${item.tooltip}`, role: 'button' };
    item.command = { command: commands.openRun, title: 'Open Run', arguments: [newest.dir] };
    item.show();
  };
  context.subscriptions.push(item, { dispose: jobs.runs.onChange(show) });
  show();
}

/** "12/100, 3 min left +2", where 2 is the number of other active runs. */
export function statusText(run: PanelRun, others: number): string {
  const more = others === 0 ? '' : ` +${others}`;
  return `$(${stateIcons[run.state]}) ${run.task ?? 'Unmask'} ${progressOf(run)}${left(run)}${more}`;
}

function left({ state, eta }: PanelRun): string {
  if (state === 'paused') return ', paused';
  return eta === null ? '' : `, ${duration(eta)} left`;
}

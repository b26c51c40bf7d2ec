import * as vscode from 'vscode';
import type { PanelRun } from '../../protocol/panel.ts';
import { progressOf, titleOf } from './describe-run.ts';
import type { Jobs } from './jobs.ts';

/**
 * The run that a command acts on: the directory that a tree, a button or another command passed, else the user's choice
 * among the suitable runs. Undefined if the user cancels or there is no suitable run.
 */
export async function pickRun(
  jobs: Jobs,
  target: unknown,
  title: string,
  accepts: (run: PanelRun) => boolean,
): Promise<string | undefined> {
  if (typeof target === 'string') return target;
  await jobs.runs.look();
  const items = jobs.runs.runs.filter(accepts).map((run) => ({
    label: titleOf(run),
    description: `${run.state} · ${progressOf(run)}`,
    detail: run.run,
    dir: run.dir,
  }));
  if (items.length === 0) {
    void vscode.window.showInformationMessage(`${title}: no run is in a suitable state.`);
    return undefined;
  }
  return (await vscode.window.showQuickPick(items, { title, matchOnDetail: true }))?.dir;
}

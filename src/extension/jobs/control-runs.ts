import { stat } from 'node:fs/promises';
import * as vscode from 'vscode';
import { size } from '../../platform/amounts.ts';
import type { PanelRun } from '../../protocol/panel.ts';
import type { RunRequest } from '../../protocol/run.ts';
import { requestControl } from '../../runs/control.ts';
import { deleteRun } from '../../runs/directory.ts';
import { lockHolder } from '../../runs/lock.ts';
import { isOver } from '../../runs/reader.ts';
import { commands } from '../contributions.ts';
import { withErrorsShown } from '../show-error.ts';
import { sentenceOf, titleOf } from './describe-run.ts';
import type { Jobs } from './jobs.ts';
import { pickRun } from './pick-run.ts';

/** Commands that pause, resume, stop and delete a run. Each takes a run directory, or asks which run. */
export function registerControlRuns(context: vscode.ExtensionContext, jobs: Jobs, log: vscode.LogOutputChannel): void {
  const register = (
    command: string,
    title: string,
    accepts: (run: PanelRun) => boolean,
    work: (dir: string) => Promise<void>,
  ) =>
    vscode.commands.registerCommand(
      command,
      withErrorsShown(log, async (target?: unknown) => {
        const dir = await pickRun(jobs, target, title, accepts);
        if (dir === undefined) return;
        await work(dir);
        await Promise.all([jobs.runs.look(), jobs.evaluations.look()]);
      }),
    );
  const isActive = ({ state }: PanelRun) => !isOver(state);
  context.subscriptions.push(
    register(commands.pauseRun, 'Pause Run', isActive, (dir) => controlRun(jobs, dir, 'pause')),
    register(
      commands.resumeRun,
      'Resume Run',
      ({ state }) => state === 'paused' || state === 'interrupted' || state === 'failed',
      (dir) => controlRun(jobs, dir, 'run'),
    ),
    register(commands.stopRun, 'Stop Run and Save', isActive, (dir) => controlRun(jobs, dir, 'stop')),
    register(
      commands.deleteRun,
      'Delete Run',
      () => true,
      (dir) => confirmAndDelete(jobs, dir),
    ),
    vscode.commands.registerCommand(
      commands.revealFolder,
      withErrorsShown(log, async (target?: unknown) => {
        const dir = await pickRun(jobs, target, 'Reveal in File Manager', () => true);
        if (dir !== undefined && (await stat(dir))) await revealFolder(dir);
      }),
    ),
  );
}

/** Asks a job to continue, pause or stop. If no process works on the run, it continues in a new one. */
export async function controlRun(jobs: Jobs, dir: string, want: RunRequest): Promise<void> {
  if (want === 'run' && (await lockHolder(dir)) === null) await jobs.resume(dir);
  else await requestControl(dir, want);
}

async function confirmAndDelete(jobs: Jobs, dir: string): Promise<void> {
  const run = jobs.find(dir);
  const what = run ? `${sentenceOf(run)} (${titleOf(run)})` : dir;
  const confirm = 'Delete';
  const detail = `This permanently deletes its log, samples and checkpoints${run ? ` (${size(run.bytes)})` : ''}. Models that you kept from it are not deleted.`;
  const answer = await vscode.window.showWarningMessage(`Delete ${what}?`, { modal: true, detail }, confirm);
  if (answer === confirm) await deleteRun(dir);
}

/** Opens a folder in the system's file manager, or in VS Code if the files are on another machine. */
async function revealFolder(dir: string): Promise<void> {
  const uri = vscode.Uri.file(dir);
  if (vscode.env.remoteName === undefined && vscode.env.uiKind === vscode.UIKind.Desktop)
    await vscode.commands.executeCommand('revealFileInOS', uri);
  else await vscode.commands.executeCommand('vscode.openFolder', uri, { forceNewWindow: true });
}

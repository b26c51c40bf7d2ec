import path from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import { count } from '../../platform/amounts.ts';
import { messageOf } from '../../platform/errors.ts';
import { dataHome, readJson } from '../../platform/files.ts';
import { defaultJobSettings } from '../../protocol/default-settings.ts';
import type { PanelRun } from '../../protocol/panel.ts';
import { printableLine } from '../../protocol/printable.ts';
import { latestCheckpoint } from '../../runs/checkpoints.ts';
import { readControl } from '../../runs/control.ts';
import { runFile } from '../../runs/layout.ts';
import { readStatus } from '../../runs/reader.ts';
import { commands, settings } from '../contributions.ts';
import { progressOf, sentenceOf } from './describe-run.ts';
import type { Jobs } from './jobs.ts';
import { claimEnd, endedRuns, notifyWithin } from './run-ends.ts';

/** Shows one notification when a run ends, with the next actions. */
export function registerNotifyEnds(context: vscode.ExtensionContext, jobs: Jobs, log: vscode.LogOutputChannel): void {
  context.subscriptions.push({
    dispose: jobs.runs.onChange((change) => {
      if (!vscode.workspace.getConfiguration().get<boolean>(settings.notifyAtEnd, defaultJobSettings.notifyAtEnd))
        return;
      for (const run of endedRuns(change, jobs.launched).filter(({ dir }) => !jobs.toBeDeleted.has(dir)))
        void notify(run).catch((error: unknown) =>
          log.warn(`No notification for the end of ${run.run}: ${messageOf(error)}`),
        );
    }),
  });
}

async function notify(run: PanelRun): Promise<void> {
  const { heartbeat } = await readStatus(run.dir);
  if (Date.now() - Date.parse(heartbeat) > notifyWithin) return;
  // `learn-workspace.ts` reports its result.
  if (run.kind === 'fine-tune' && run.state === 'finished') return;
  // Do not notify: the user stopped the run.
  if (run.state === 'interrupted' && (await readControl(run.dir))?.want === 'stop') return;
  if (!(await claimEnd(path.join(dataHome(), 'cache', 'notified'), run.run, heartbeat))) return;
  const open = 'Open Panel';
  const keep = 'Keep Model';
  const resume = 'Resume';
  const canKeep = run.kind === 'tune' && run.state === 'finished' && (await latestCheckpoint(run.dir)) !== null;
  const actions = [open, ...(canKeep ? [keep] : []), ...(run.state === 'interrupted' ? [resume] : [])];
  const show = run.state === 'failed' ? vscode.window.showErrorMessage : vscode.window.showInformationMessage;
  const answer = await show(printableLine(await endMessage(run)), ...actions);
  const command = { [open]: commands.openRun, [keep]: commands.keepModel, [resume]: commands.resumeRun }[answer ?? ''];
  if (command !== undefined) await vscode.commands.executeCommand(command, run.dir);
}

/** "Tuning on sudoku4x4 with spg-mixture finished after 100 steps: cell_accuracy 0.881 before, 0.957 after." */
async function endMessage(run: PanelRun): Promise<string> {
  const what = sentenceOf(run);
  if (run.state === 'failed') return `${what} failed: ${run.error ?? 'see its log'}`;
  if (run.state === 'interrupted') return `${what} was interrupted at ${progressOf(run)}. Press Resume to continue.`;
  const result = resultSchema.safeParse(await readJson(runFile(run.dir).result).catch(() => null)).data;
  const [metric, after] = Object.entries(result?.after ?? {})[0] ?? [];
  const before = metric === undefined ? undefined : result?.before?.[metric];
  const change =
    after && before ? `: ${metric} ${before.value.toFixed(3)} before, ${after.value.toFixed(3)} after` : '';
  return `${what} finished after ${count(run.step, 'step')}${change}.`;
}

const metrics = z.record(z.string(), z.object({ value: z.number() })).nullish();
const resultSchema = z.object({ before: metrics, after: metrics });

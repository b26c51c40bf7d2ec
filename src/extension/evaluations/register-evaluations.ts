import { homedir } from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import { count } from '../../platform/amounts.ts';
import { UserError } from '../../platform/errors.ts';
import { deleteRun } from '../../runs/directory.ts';
import { isOver } from '../../runs/reader.ts';
import { askUnmask } from '../ask-unmask.ts';
import { commands } from '../contributions.ts';
import { stateOf, titleOf } from '../jobs/describe-run.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { NodeChoice } from '../node-choice.ts';
import type { Runtime } from '../runtime.ts';
import { withErrorsShown } from '../show-error.ts';
import { EvaluationPages } from './evaluation-pages.ts';
import { registerRunSpgEval } from './run-spg-eval.ts';

export interface EvaluationParts {
  readonly jobs: Jobs;
  readonly nodes: NodeChoice;
  readonly runtime: Runtime;
  /** The packaged `unmask.mjs`. */
  readonly script: string;
  readonly log: vscode.LogOutputChannel;
}

const formats = { jsonl: 'JSON lines', csv: 'CSV' } as const;

/** Commands to run, open, export and delete evaluations. The last three take a directory, or ask which evaluation. */
export function registerEvaluations(context: vscode.ExtensionContext, parts: EvaluationParts): void {
  const { jobs, nodes, runtime, script, log } = parts;
  const ask = askUnmask(nodes, script, log);
  const pages = new EvaluationPages(context, ask, log);
  const register = (command: string, work: (target?: unknown, option?: unknown) => Promise<unknown>) =>
    vscode.commands.registerCommand(command, withErrorsShown(log, work));
  registerRunSpgEval(context, { jobs, runtime, ask, log });
  context.subscriptions.push(
    pages,
    register(commands.openEvaluation, async (target, against) => {
      const dir = await pickEvaluation(jobs, target, 'Open Evaluation');
      if (dir !== undefined) await pages.show(dir, typeof against === 'string' ? against : undefined);
    }),
    register(commands.exportEvaluation, async (target, format) => {
      const dir = await pickEvaluation(jobs, target, 'Export Evaluation');
      return dir === undefined ? undefined : exportTo(dir, format === 'csv' || format === 'jsonl' ? format : null);
    }),
    register(commands.deleteEvaluation, async (target) => {
      const dir = await pickEvaluation(jobs, target, 'Delete Evaluation');
      if (dir === undefined || !(await confirmed(jobs, dir))) return;
      await deleteRun(dir);
      pages.close(dir);
      await jobs.evaluations.look();
    }),
  );

  /** Asks for a file, writes the answers to it and returns its path. */
  async function exportTo(dir: string, format: keyof typeof formats | null): Promise<string | undefined> {
    const filters = format === null ? { 'JSON lines': ['jsonl'], CSV: ['csv'] } : { [formats[format]]: [format] };
    const file = await vscode.window.showSaveDialog({
      title: 'Export Evaluation',
      filters,
      defaultUri: vscode.Uri.file(path.join(homedir(), `${path.basename(dir)}.${format ?? 'jsonl'}`)),
    });
    if (!file) return undefined;
    if (file.scheme !== 'file')
      throw new UserError(
        'Select a file on the machine that holds the evaluation. Other file systems are not supported.',
      );
    const chosen = format ?? (/\.csv$/i.test(file.fsPath) ? 'csv' : 'jsonl');
    const { rows } = await ask<{ rows: number }>([
      'evaluations',
      'export',
      dir,
      ...['--format', chosen, '--output', file.fsPath],
    ]);
    const open = 'Open';
    void vscode.window
      .showInformationMessage(`Exported ${count(rows, 'answer')} to ${file.fsPath}.`, open)
      .then((answer) => {
        if (answer === open) void vscode.window.showTextDocument(file);
      });
    return file.fsPath;
  }
}

async function confirmed(jobs: Jobs, dir: string): Promise<boolean> {
  const run = jobs.evaluations.find(dir);
  const what = run ? `the evaluation on ${run.task} from ${new Date(run.createdAt ?? '').toLocaleString()}` : dir;
  const detail = 'This permanently deletes its answers and its result. The model is not deleted.';
  const answer = await vscode.window.showWarningMessage(`Delete ${what}?`, { modal: true, detail }, 'Delete');
  return answer === 'Delete';
}

/** The directory that a tree, a page or another command passed, else the user's choice. */
async function pickEvaluation(jobs: Jobs, target: unknown, title: string): Promise<string | undefined> {
  if (typeof target === 'string') return target;
  await jobs.evaluations.look();
  const items = jobs.evaluations.runs.map((run) => ({
    label: titleOf(run),
    description: isOver(run.state) && run.createdAt !== null ? new Date(run.createdAt).toLocaleString() : stateOf(run),
    detail: run.run,
    dir: run.dir,
  }));
  if (items.length === 0) throw new UserError('There are no evaluations yet. Run Unmask: Run SPG Eval first.');
  return (await vscode.window.showQuickPick(items, { title, matchOnDetail: true }))?.dir;
}

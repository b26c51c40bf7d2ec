import * as vscode from 'vscode';
import { UsageError } from '../../platform/errors.ts';
import { printableLine } from '../../protocol/printable.ts';
import { changeLabels, readLabels } from '../../runs/labels.ts';
import { commands } from '../contributions.ts';
import { withErrorsShown } from '../show-error.ts';
import type { Jobs } from './jobs.ts';
import { pickRun } from './pick-run.ts';
import { type LabelField, nameField, noteField, tagsField } from './run-label-fields.ts';

/** Commands that change name, tags and note of a run. Each takes a run directory, or asks which run. */
export function registerLabelRuns(context: vscode.ExtensionContext, jobs: Jobs, log: vscode.LogOutputChannel): void {
  const register = (command: string, field: LabelField) =>
    vscode.commands.registerCommand(
      command,
      withErrorsShown(log, async (target?: unknown) => {
        const dir = await pickRun(jobs, target, field.title, () => true);
        if (dir === undefined) return;
        await editLabel(dir, field);
        await jobs.runs.look();
      }),
    );
  context.subscriptions.push(
    register(commands.renameRun, nameField),
    register(commands.tagRun, tagsField),
    register(commands.editRunNotes, noteField),
  );
}

/** Asks for the new text until it is valid or the user cancels. */
async function editLabel(dir: string, { title, prompt, text, change }: LabelField): Promise<void> {
  let value = text(await readLabels(dir));
  let problem = '';
  for (;;) {
    const answer = await vscode.window.showInputBox({ title, prompt: problem || prompt, value });
    if (answer === undefined) return;
    try {
      await changeLabels(dir, change(answer, await readLabels(dir)));
      return;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      [value, problem] = [answer, printableLine(error.message)];
    }
  }
}

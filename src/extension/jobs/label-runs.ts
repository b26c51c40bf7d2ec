import * as vscode from 'vscode';
import { UsageError } from '../../platform/errors.ts';
import { printableLine } from '../../protocol/printable.ts';
import { changeLabels, type LabelChange, readLabels } from '../../runs/labels.ts';
import { commands } from '../contributions.ts';
import { withErrorsShown } from '../show-error.ts';
import type { Jobs } from './jobs.ts';
import { pickRun } from './pick-run.ts';

/** What the user edits: how it is asked for, its text now, and the change that a new text means. */
interface Label {
  readonly command: string;
  readonly title: string;
  readonly prompt: string;
  text(labels: Awaited<ReturnType<typeof readLabels>>): string;
  change(text: string, labels: Awaited<ReturnType<typeof readLabels>>): LabelChange;
}

const wordsOf = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);

const labels: readonly Label[] = [
  {
    command: commands.renameRun,
    title: 'Rename Run',
    prompt: 'Name of the run in lists. Its folder keeps its name. Leave it empty to remove the name.',
    text: ({ name = '' }) => name,
    change: (name) => ({ name }),
  },
  {
    command: commands.tagRun,
    title: 'Edit Tags of Run',
    prompt: 'Tags, separated by spaces.',
    text: ({ tags }) => tags.join(' '),
    change: (text, { tags }) => ({
      addTags: wordsOf(text),
      removeTags: tags.filter((tag) => !wordsOf(text).includes(tag)),
    }),
  },
  {
    command: commands.editRunNotes,
    title: 'Edit Note of Run',
    prompt: 'A note about the run. Leave it empty to remove the note.',
    // An input box has one line; the line breaks of a note are edited as \n.
    text: ({ notes = '' }) => notes.replaceAll('\\', '\\\\').replaceAll('\n', '\\n'),
    change: (text) => ({ notes: text.replace(/\\(n|\\)/g, (_, escaped) => (escaped === 'n' ? '\n' : '\\')) }),
  },
];

/** Commands that change name, tags and note of a run. Each takes a run directory, or asks which run. */
export function registerLabelRuns(context: vscode.ExtensionContext, jobs: Jobs, log: vscode.LogOutputChannel): void {
  for (const label of labels)
    context.subscriptions.push(
      vscode.commands.registerCommand(
        label.command,
        withErrorsShown(log, async (target?: unknown) => {
          const dir = await pickRun(jobs, target, label.title, () => true);
          if (dir === undefined) return;
          await editLabel(dir, label);
          await jobs.runs.look();
        }),
      ),
    );
}

/** Asks for the new text until it is valid or the user cancels. */
async function editLabel(dir: string, { title, prompt, text, change }: Label): Promise<void> {
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

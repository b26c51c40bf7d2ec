import * as vscode from 'vscode';
import * as z from 'zod';
import { messageOf } from '../../platform/errors.ts';
import { readJson } from '../../platform/files.ts';
import { defaultSettings } from '../../protocol/default-settings.ts';
import { runFile } from '../../runs/layout.ts';
import { signalOf } from '../abort-signal.ts';
import type { RunUnmask } from '../ask-unmask.ts';
import { commands, settings } from '../contributions.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { keepOpen } from '../keep-open.ts';
import type { ChosenModel } from '../models/chosen-model.ts';
import { withErrorsShown } from '../show-error.ts';
import { modelOf } from './measure-workspace.ts';
import { pickFolder } from './pick-folder.ts';

/** Key in the workspace's storage: the learning runs of this workspace whose result has not been used. */
const pendingKey = 'learning';

const usualMinutes = 10;

export interface LearnWorkspaceParts {
  readonly jobs: Jobs;
  readonly chosen: ChosenModel;
  readonly ask: RunUnmask;
  readonly log: vscode.LogOutputChannel;
}

/**
 * `Unmask: Learn This Workspace`: trains the model on the files of a folder in a run, and uses the result in this workspace if the run kept it.
 * `Unmask: Undo Learning` goes back. Neither runs code of the workspace.
 */
export function registerLearnWorkspace(context: vscode.ExtensionContext, parts: LearnWorkspaceParts): void {
  const { jobs, chosen, ask, log } = parts;
  const state = context.workspaceState;
  const pending = () => state.get<readonly string[]>(pendingKey, []);
  const useFinished = async () => {
    for (const dir of pending()) {
      // An interrupted run may be resumed, so it stays pending.
      if (jobs.runs.find(dir)?.state !== 'finished') continue;
      await state.update(
        pendingKey,
        pending().filter((other) => other !== dir),
      );
      const result = resultSchema.safeParse(await readJson(runFile(dir).result).catch(() => null)).data;
      if (result) await useResult(result, chosen);
    }
  };

  context.subscriptions.push(
    {
      dispose: jobs.runs.onChange(
        () => void useFinished().catch((error: unknown) => log.warn(`The result of learning: ${messageOf(error)}`)),
      ),
    },
    vscode.commands.registerCommand(
      commands.learnWorkspace,
      withErrorsShown(log, async (preset: LearnChoice = {}) => {
        const folder = preset.folder ?? (await pickFolder('Select the folder to learn'));
        if (folder === undefined) return undefined;
        const minutes = preset.minutes ?? (await askMinutes());
        if (minutes === undefined) return undefined;
        const dir = await vscode.window.withProgress(
          {
            location: vscode.ProgressLocation.Notification,
            title: 'Unmask: Starting to learn this workspace',
            cancellable: true,
          },
          (_, token) =>
            jobs.start(learnArguments(folder, minutes, modelOf(chosen, vscode.workspace.getConfiguration()), preset), {
              signal: signalOf(token),
            }),
        );
        await state.update(pendingKey, [dir, ...pending()]);
        // A short run may have finished already.
        await useFinished();
        await vscode.commands.executeCommand(commands.openRun, dir);
        return dir;
      }),
    ),
    vscode.commands.registerCommand(
      commands.undoLearning,
      withErrorsShown(log, async (preset?: unknown) => {
        const folder =
          typeof preset === 'string' ? preset : await pickFolder('Select the folder whose learning to undo');
        if (folder === undefined) return undefined;
        const { removed } = await ask<{ readonly removed: string }>(['learn', '--workspace', folder, '--undo']);
        if (chosen.name === removed) await chosen.forgetWorkspace();
        return removed;
      }),
    ),
  );
}

/** Values that another command or a test passes; the command does not ask for them. */
export interface LearnChoice {
  readonly folder?: string;
  readonly minutes?: number;
  /** Settings of `unmask learn`. */
  readonly settings?: Readonly<Record<string, number>>;
}

function learnArguments(folder: string, minutes: number, model: string, { settings: changed = {} }: LearnChoice) {
  const configuration = vscode.workspace.getConfiguration();
  const device = configuration.get(settings.device, defaultSettings.device);
  return [
    ...['learn', '--workspace', folder, '--minutes', String(minutes), '--model', model],
    ...['--engine', configuration.get(settings.engine, defaultSettings.engine)],
    ...(device === 'auto' ? [] : ['--device', device]),
    ...Object.entries(changed).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
  ];
}

async function askMinutes(): Promise<number | undefined> {
  const text = await vscode.window.showInputBox({
    ...keepOpen,
    title: 'Enter the minutes of training',
    prompt:
      'Up to 1,000 places in files that are held out are measured before and after, which takes some more minutes. The model is kept only if it is better there.',
    value: String(usualMinutes),
    validateInput: (value) => (Number(value) > 0 ? null : 'Enter a number of minutes above 0.'),
  });
  return text === undefined ? undefined : Number(text);
}

const interval = z.object({ value: z.number(), low: z.number(), high: z.number() });
const resultSchema = z.object({
  model: z.string(),
  kept: z.boolean(),
  gaps: z.number(),
  before: interval,
  after: interval,
  difference: interval,
});

/** Uses a model that was kept, in this workspace alone, and offers to go back. */
async function useResult(
  { model, kept, gaps, before, after, difference }: z.infer<typeof resultSchema>,
  chosen: ChosenModel,
): Promise<void> {
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
  const measured = `Right in ${gaps} places of held-out files: ${percent(before.value)} before, ${percent(after.value)} after (${difference.low > 0 ? '+' : ''}${percent(difference.low)} to ${percent(difference.high)}).`;
  if (!kept) {
    void vscode.window.showInformationMessage(`Learning did not clearly help, so nothing changed. ${measured}`);
    return;
  }
  await chosen.choose(model, 'workspace');
  const undo = 'Undo';
  void vscode.window
    .showInformationMessage(`This workspace now uses a model that has learned its files. ${measured}`, undo)
    .then((answer) => answer === undo && vscode.commands.executeCommand(commands.undoLearning));
}

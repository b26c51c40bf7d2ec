import * as vscode from 'vscode';
import { bundledModelFor } from '../../protocol/bundled-models.ts';
import { defaultJobSettings, defaultSettings } from '../../protocol/default-settings.ts';
import type { ObjectiveList, TaskList } from '../../protocol/lists.ts';
import type { Json } from '../../protocol/run.ts';
import { listModels, type ModelSummary } from '../../protocol/runtime.ts';
import { signalOf } from '../abort-signal.ts';
import { commands, settings } from '../contributions.ts';
import { keepOpen } from '../keep-open.ts';
import { suits } from '../models/model-items.ts';
import type { NodeChoice } from '../node-choice.ts';
import { runUnmask } from '../run-unmask.ts';
import type { Runtime } from '../runtime.ts';
import { withErrorsShown } from '../show-error.ts';
import type { Jobs } from './jobs.ts';
import { lengthText, parseLength, type TuningChoice, tuneArguments } from './tuning-choice.ts';

const lastChoice = 'lastTuning';
const defaults = { objective: 'spg-mixture', length: { steps: 100 } } as const;

export interface TuneParts {
  readonly jobs: Jobs;
  readonly nodes: NodeChoice;
  readonly runtime: Runtime;
  readonly script: string;
  readonly log: vscode.LogOutputChannel;
}

/**
 * `Unmask: Tune on Task`: asks for task, method, model and length, starts a job and shows it. It does not ask for values
 * that are passed as an argument (by another command, a link or a test).
 */
export function registerTuneOnTask(context: vscode.ExtensionContext, parts: TuneParts): void {
  const { jobs, log } = parts;
  context.subscriptions.push(
    vscode.commands.registerCommand(
      commands.tuneOnTask,
      withErrorsShown(log, async (preset: Partial<TuningChoice> & { hyperparameters?: Record<string, Json> } = {}) => {
        const choice = await ask(context.globalState, parts, preset);
        if (!choice) return undefined;
        await context.globalState.update(lastChoice, choice);
        const configuration = vscode.workspace.getConfiguration();
        const args = tuneArguments(choice, {
          engine: configuration.get(settings.engine, defaultSettings.engine),
          device: configuration.get(settings.device, defaultSettings.device),
          keepCheckpoints: configuration.get<number>(settings.keepCheckpoints, defaultJobSettings.keepCheckpoints),
          hyperparameters: {
            ...configuration.get<Record<string, Json>>(settings.hyperparameters),
            ...preset.hyperparameters,
          },
        });
        const dir = await vscode.window.withProgress(
          {
            location: vscode.ProgressLocation.Notification,
            title: `Unmask: Starting a tuning run on ${choice.task}`,
            cancellable: true,
          },
          (_, token) => jobs.start(args, { signal: signalOf(token) }),
        );
        await vscode.commands.executeCommand(commands.openRun, dir);
        return dir;
      }),
    ),
  );
}

/** Asks for the values that were not passed, with the previous answers first. Undefined if the user cancels. */
async function ask(
  memory: vscode.Memento,
  { nodes, runtime, script, log }: TuneParts,
  preset: Partial<TuningChoice>,
): Promise<TuningChoice | undefined> {
  const last: Partial<TuningChoice> = memory.get<TuningChoice>(lastChoice) ?? {};
  const list = <T>(command: string) => {
    const listed = nodes.get().then((node) =>
      runUnmask<T>(node, script, [command], {
        signal: AbortSignal.timeout(30_000),
        log: (line) => log.info(line),
      }),
    );
    // The error is handled where the result is awaited; this prevents an unhandled rejection before that.
    listed.catch(() => undefined);
    return listed;
  };
  // Both lists are requested at once, so that the second is ready when the first question is answered.
  const tasks = preset.task === undefined ? list<TaskList>('tasks') : null;
  const objectives = preset.objective === undefined ? list<ObjectiveList>('objectives') : null;
  let { task, data, objective, model } = preset;
  if (tasks) {
    const chosen = await pick(
      'Select a task to tune on',
      1,
      last.task,
      tasks.then((found) => found.tasks),
    );
    if (!chosen) return undefined;
    task = chosen.name;
    data = chosen.makesProblems ? data : await pickData(task);
    if (data === undefined && !chosen.makesProblems) return undefined;
  }
  if (objectives) {
    const items = objectives.then((found) =>
      found.objectives.map(({ name, paper, description }) => ({ name, description: `${description} (${paper})` })),
    );
    objective = (await pick('Select a method', 2, last.objective ?? defaults.objective, items))?.name;
  }
  if (objective === undefined || task === undefined) return undefined;
  const lastModel = last.task === task ? last.model : undefined;
  model ??= (await pick('Select a model', 3, lastModel ?? bundledModelFor(task), models(runtime, task)))?.name;
  if (model === undefined) return undefined;
  const length = preset.length ?? (await askLength(last.length ?? defaults.length));
  const { testProblems } = preset;
  return (
    length && {
      task,
      data: data ?? null,
      objective,
      model,
      length,
      ...(testProblems === undefined ? {} : { testProblems }),
    }
  );
}

const steps = 4;

/** A quick pick with the previous choice first. It shows a progress bar until the items are available. */
async function pick<Item extends { readonly name: string; readonly description: string }>(
  title: string,
  step: number,
  first: string | undefined,
  items: Promise<readonly Item[]>,
): Promise<Item | undefined> {
  const shown = items.then((all) =>
    [...all]
      .sort((a, b) => Number(b.name === first) - Number(a.name === first))
      .map((item) => ({ label: item.name.split(/[\\/]/).at(-1)!, detail: item.description, item })),
  );
  const options = { title: `${title} (${step}/${steps})`, matchOnDetail: true, ...keepOpen };
  return (await vscode.window.showQuickPick(shown, options))?.item;
}

/** The available models; if the runtime does not answer, the bundled one for the task. */
async function models(
  runtime: Runtime,
  task: string,
): Promise<readonly { readonly name: string; readonly description: string }[]> {
  const known = await runtime.request<ModelSummary[]>(listModels).catch(() => []);
  const found = known.filter((model) => suits(model, [task]));
  return found.length > 0 ? found : [{ name: bundledModelFor(task), description: 'comes with Unmask' }];
}

async function pickData(task: string): Promise<string | undefined> {
  const files = await vscode.window.showOpenDialog({
    title: `Problems for ${task} (JSON Lines, a JSON array or CSV)`,
    filters: { Problems: ['jsonl', 'json', 'csv'] },
    openLabel: 'Tune on This File',
  });
  return files?.[0]?.fsPath;
}

async function askLength(last: TuningChoice['length']): Promise<TuningChoice['length'] | undefined> {
  const text = await vscode.window.showInputBox({
    ...keepOpen,
    title: `Enter the length of the run (${steps}/${steps})`,
    prompt: 'A number of steps, or a duration such as 90 s, 5 min or 1 h.',
    value: lengthText(last),
    validateInput: (value) =>
      parseLength(value) ? null : 'Enter a number of steps or a duration: 100, 90 s, 5 min or 1 h.',
  });
  return text === undefined ? undefined : (parseLength(text) ?? undefined);
}

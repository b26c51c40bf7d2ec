import * as vscode from 'vscode';
import { count } from '../../platform/amounts.ts';
import { UserError } from '../../platform/errors.ts';
import { bundledModels } from '../../protocol/bundled-models.ts';
import { defaultSettings } from '../../protocol/default-settings.ts';
import type { TaskList } from '../../protocol/lists.ts';
import type { RunStatus } from '../../protocol/run.ts';
import { listModels, type ModelSummary } from '../../protocol/runtime.ts';
import { requestControl } from '../../runs/control.ts';
import { isOver, readStatus } from '../../runs/reader.ts';
import { signalOf } from '../abort-signal.ts';
import type { RunUnmask } from '../ask-unmask.ts';
import { commands, settings } from '../contributions.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { keepOpen } from '../keep-open.ts';
import { labelOf, origins, suits } from '../models/model-items.ts';
import type { Runtime } from '../runtime.ts';
import { showError, withErrorsShown } from '../show-error.ts';
import { type EvalChoice, evalArguments, parseProblems } from './eval-choice.ts';
import { followStatus, increment, progressText } from './follow-evaluation.ts';

type Suite = TaskList['tasks'][number];

const lastChoice = 'lastEvaluation';
const defaults: EvalChoice = { suites: ['sudoku4x4'], data: {}, model: bundledModels.puzzles, problems: 256 };

export interface RunSpgEvalParts {
  readonly jobs: Jobs;
  readonly runtime: Runtime;
  readonly ask: RunUnmask;
  readonly log: vscode.LogOutputChannel;
}

/**
 * `Unmask: Run SPG Eval`: asks for suites and a model, evaluates one suite after the other, each as a job, and opens the
 * results. It does not ask for values that are passed as an argument (by another command, a link or a test). Returns the
 * directories of the finished evaluations.
 */
export function registerRunSpgEval(context: vscode.ExtensionContext, parts: RunSpgEvalParts): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(
      commands.runSpgEval,
      withErrorsShown(parts.log, async (preset: Partial<EvalChoice> = {}) => {
        const choice = await askChoice(context.globalState, parts, preset);
        if (!choice) return undefined;
        await context.globalState.update(lastChoice, choice);
        const { finished, failure } = await evaluateSuites(parts, choice);
        for (const dir of finished) await vscode.commands.executeCommand(commands.openEvaluation, dir);
        // The results from before the failure are shown too.
        if (failure !== null) showError(failure, parts.log);
        return failure === null || finished.length > 0 ? finished : undefined;
      }),
    ),
  );
}

/** Directories of the finished evaluations, and the error that ended the series; null if there was none. */
interface Outcome {
  readonly finished: readonly string[];
  readonly failure: unknown;
}

/** Evaluates one suite after the other: in parallel they would share the CPU cores and the time estimates would be wrong. */
function evaluateSuites({ jobs }: RunSpgEvalParts, choice: EvalChoice): Thenable<Outcome> {
  const configuration = vscode.workspace.getConfiguration();
  const environment = {
    engine: configuration.get(settings.engine, defaultSettings.engine),
    device: configuration.get(settings.device, defaultSettings.device),
  };
  const options = { location: vscode.ProgressLocation.Notification, title: 'Unmask: Evaluating', cancellable: true };
  return vscode.window.withProgress(options, async (progress, token) => {
    const signal = signalOf(token);
    const finished: string[] = [];
    try {
      for (const [index, suite] of choice.suites.entries()) {
        const name = choice.suites.length === 1 ? suite : `${suite} (${index + 1} of ${choice.suites.length})`;
        progress.report({ message: `${name}: starting` });
        const dir = await jobs.start(evalArguments(choice, suite, environment), { signal });
        let done = 0;
        const show = (status: RunStatus) => {
          const share = increment(done, status) / choice.suites.length;
          progress.report({ message: `${name}: ${progressText(status)}`, increment: share });
          done = status.step;
        };
        const last = await followStatus(dir, show, signal);
        const { state } = isOver(last.state) ? last : await stopped(dir);
        await jobs.evaluations.look();
        if (state === 'failed')
          throw new UserError(last.error ?? `The evaluation on ${suite} failed. See the log in ${dir}.`);
        if (state === 'finished') finished.push(dir);
        else offerToResume(suite, dir, last);
        if (signal.aborted) break;
      }
      return { finished, failure: null };
    } catch (failure) {
      return { finished, failure };
    }
  });
}

/** Asks an evaluation to stop after the current batch and returns its status. It may be over already. */
async function stopped(dir: string): Promise<RunStatus> {
  await requestControl(dir, 'stop').catch(() => undefined);
  return readStatus(dir);
}

function offerToResume(suite: string, dir: string, { step, steps }: RunStatus): void {
  const resume = 'Resume';
  // Not awaited: the command is done, even if the message stays open.
  void vscode.window
    .showInformationMessage(
      `The evaluation on ${suite} stopped after ${step} of ${count(steps ?? 0, 'answer')}. Press Resume to continue.`,
      resume,
    )
    .then((answer) => {
      if (answer === resume) void vscode.commands.executeCommand(commands.resumeRun, dir);
    });
}

/** Asks for the values that were not passed, with the previous answers as defaults. Undefined if the user cancels. */
async function askChoice(
  memory: vscode.Memento,
  { runtime, ask }: RunSpgEvalParts,
  preset: Partial<EvalChoice>,
): Promise<EvalChoice | undefined> {
  const last: EvalChoice = { ...defaults, ...memory.get<EvalChoice>(lastChoice) };
  const { tasks } = await ask<TaskList>(['tasks']);
  const suites = preset.suites ?? (await askSuites(tasks, last.suites));
  if (!suites || suites.length === 0) return undefined;
  const data: Record<string, string> = { ...preset.data };
  for (const { name, makesProblems } of tasks) {
    if (makesProblems || !suites.includes(name) || data[name] !== undefined) continue;
    const file = await askData(name, last.data[name]);
    if (file === undefined) return undefined;
    data[name] = file;
  }
  const model = preset.model ?? (await askModel(await models(runtime, ask, suites), last.model));
  if (model === undefined) return undefined;
  const problems = preset.problems === undefined ? await askProblems(last.problems) : preset.problems;
  return problems === undefined ? undefined : { suites, data, model, problems };
}

async function askSuites(tasks: readonly Suite[], last: readonly string[]): Promise<string[] | undefined> {
  const items = tasks.map(({ name, description, makesProblems }) => ({
    label: name,
    description: makesProblems ? '' : 'needs a problem file',
    detail: description,
    picked: last.includes(name),
  }));
  const chosen = await vscode.window.showQuickPick(items, {
    ...keepOpen,
    title: 'Select suites (1/3)',
    placeHolder: 'Select one or more suites to evaluate on',
    canPickMany: true,
  });
  return chosen?.map(({ label }) => label);
}

/** Asks for the problem file, with the previous one as the first choice. */
async function askData(suite: string, last: string | undefined): Promise<string | undefined> {
  if (last !== undefined) {
    const other = 'Choose another file…';
    const chosen = await vscode.window.showQuickPick([last, other], {
      title: `Problem file for ${suite}`,
      ...keepOpen,
    });
    if (chosen !== other) return chosen;
  }
  const files = await vscode.window.showOpenDialog({
    title: `Problems for ${suite} (JSON Lines, a JSON array or CSV)`,
    filters: { Problems: ['jsonl', 'json', 'csv'] },
    openLabel: 'Evaluate on This File',
  });
  return files?.[0]?.fsPath;
}

/** Asks for a model; the previous choice comes first. */
async function askModel(known: readonly ModelSummary[], last: string): Promise<string | undefined> {
  const items = known
    .map(({ name, kind, description }) => ({
      label: labelOf(name),
      description: origins[kind],
      detail: description,
      name,
    }))
    .sort((a, b) => Number(b.name === last) - Number(a.name === last));
  const options = { title: 'Select a model (2/3)', matchOnDescription: true, matchOnDetail: true, ...keepOpen };
  return (await vscode.window.showQuickPick(items, options))?.name;
}

/** The models for these suites from the runtime; if it is not running, from a separate process. */
async function models(runtime: Runtime, ask: RunUnmask, suites: readonly string[]): Promise<readonly ModelSummary[]> {
  const known = await runtime.request<ModelSummary[]>(listModels).catch(() => null);
  const models = known ?? (await ask<{ models: ModelSummary[] }>(['models'])).models;
  return models.filter((model) => suits(model, suites));
}

async function askProblems(last: number | null): Promise<number | null | undefined> {
  const text = await vscode.window.showInputBox({
    ...keepOpen,
    title: 'Enter the number of problems per suite (3/3)',
    prompt: 'More problems give a narrower confidence interval. Enter “all” to use all problems of a file.',
    value: last === null ? 'all' : String(last),
    validateInput: (value) =>
      parseProblems(value) === undefined ? 'Enter a whole number of at least 1, or “all”.' : null,
  });
  return text === undefined ? undefined : parseProblems(text);
}

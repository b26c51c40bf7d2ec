import * as vscode from 'vscode';
import { UserError } from '../../platform/errors.ts';
import { defaultSettings } from '../../protocol/default-settings.ts';
import type { TaskList } from '../../protocol/lists.ts';
import type { RunStatus } from '../../protocol/run.ts';
import { listModels, type ModelSummary } from '../../protocol/runtime.ts';
import { requestControl } from '../../runs/control.ts';
import { isOver, readStatus } from '../../runs/reader.ts';
import { signalOf } from '../abort-signal.ts';
import type { AskUnmask } from '../ask-unmask.ts';
import { commands, settings } from '../contributions.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { labelOf, origins } from '../models/model-items.ts';
import type { Runtime } from '../runtime.ts';
import { showError, withErrorsShown } from '../show-error.ts';
import { staysOpen } from '../stays-open.ts';
import { type EvalChoice, evalArguments, parseProblems } from './eval-choice.ts';
import { followStatus, increment, progressText } from './follow-evaluation.ts';

type Suite = TaskList['tasks'][number];

const lastChoice = 'lastEvaluation';
const defaults: EvalChoice = { suites: ['sudoku4x4'], data: {}, model: 'unmask-puzzles', problems: 256 };

export interface RunSpgEvalParts {
  readonly jobs: Jobs;
  readonly runtime: Runtime;
  readonly ask: AskUnmask;
  readonly log: vscode.LogOutputChannel;
}

/**
 * `Unmask: Run SPG Eval`: asks for suites and a model, evaluates one suite after the other, each as a job, and opens
 * what came of it. What another command, a link or a test gives of the choice is not asked for. Returns the
 * directories of the evaluations that finished.
 */
export function registerRunSpgEval(context: vscode.ExtensionContext, parts: RunSpgEvalParts): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(
      commands.runSpgEval,
      withErrorsShown(parts.log, async (given: Partial<EvalChoice> = {}) => {
        const choice = await askChoice(context.globalState, parts, given);
        if (!choice) return undefined;
        await context.globalState.update(lastChoice, choice);
        const { finished, failure } = await evaluateSuites(parts, choice);
        for (const dir of finished) await vscode.commands.executeCommand(commands.openEvaluation, dir);
        // What was measured before something went wrong is worth seeing.
        if (failure !== null) showError(failure, parts.log);
        return failure === null || finished.length > 0 ? finished : undefined;
      }),
    ),
  );
}

/** What came of a choice: directories of evaluations with a result, and what ended the others, null where nothing did. */
interface Outcome {
  readonly finished: readonly string[];
  readonly failure: unknown;
}

/** One suite after the other: two at once would share the cores, and neither estimate would hold. */
function evaluateSuites({ jobs }: RunSpgEvalParts, choice: EvalChoice): Thenable<Outcome> {
  const configuration = vscode.workspace.getConfiguration();
  const surroundings = {
    engine: configuration.get(settings.engine, defaultSettings.engine),
    device: configuration.get(settings.device, defaultSettings.device),
  };
  const options = { location: vscode.ProgressLocation.Notification, title: 'Unmask: evaluating', cancellable: true };
  return vscode.window.withProgress(options, async (progress, token) => {
    const signal = signalOf(token);
    const finished: string[] = [];
    try {
      for (const [index, suite] of choice.suites.entries()) {
        const name = choice.suites.length === 1 ? suite : `${suite} (${index + 1} of ${choice.suites.length})`;
        progress.report({ message: `${name}: starting` });
        const dir = await jobs.start(evalArguments(choice, suite, surroundings), { signal });
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
          throw new UserError(last.error ?? `The evaluation of ${suite} failed; ${dir} has its log.`);
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

/** Asks an evaluation to stop between two batches, unless it ends just now; its state then. */
async function stopped(dir: string): Promise<RunStatus> {
  await requestControl(dir, 'stop').catch(() => undefined);
  return readStatus(dir);
}

function offerToResume(suite: string, dir: string, { step, steps }: RunStatus): void {
  const resume = 'Resume';
  // Not awaited: the command is over, however long the message stays.
  void vscode.window
    .showInformationMessage(
      `The evaluation of ${suite} was stopped after ${step} of ${steps} answers; it can go on from there.`,
      resume,
    )
    .then((answer) => {
      if (answer === resume) void vscode.commands.executeCommand(commands.resumeRun, dir);
    });
}

/** Asks for what is not given, with the answers of last time; undefined where the user leaves. */
async function askChoice(
  memory: vscode.Memento,
  { runtime, ask }: RunSpgEvalParts,
  given: Partial<EvalChoice>,
): Promise<EvalChoice | undefined> {
  const last: EvalChoice = { ...defaults, ...memory.get<EvalChoice>(lastChoice) };
  const { tasks } = await ask<TaskList>(['tasks']);
  const suites = given.suites ?? (await askSuites(tasks, last.suites));
  if (!suites || suites.length === 0) return undefined;
  const data: Record<string, string> = { ...given.data };
  for (const { name, makesProblems } of tasks) {
    if (makesProblems || !suites.includes(name) || data[name] !== undefined) continue;
    const file = await askData(name, last.data[name]);
    if (file === undefined) return undefined;
    data[name] = file;
  }
  const model = given.model ?? (await askModel(await models(runtime, ask), last.model));
  if (model === undefined) return undefined;
  const problems = given.problems === undefined ? await askProblems(last.problems) : given.problems;
  return problems === undefined ? undefined : { suites, data, model, problems };
}

async function askSuites(tasks: readonly Suite[], last: readonly string[]): Promise<string[] | undefined> {
  const items = tasks.map(({ name, description, makesProblems }) => ({
    label: name,
    description: makesProblems ? '' : 'asks for a file of problems',
    detail: description,
    picked: last.includes(name),
  }));
  const chosen = await vscode.window.showQuickPick(items, {
    ...staysOpen,
    title: 'Evaluate on which suites? (1/3)',
    placeHolder: 'Tick one or more',
    canPickMany: true,
  });
  return chosen?.map(({ label }) => label);
}

/** The file of last time, or another one. */
async function askData(suite: string, last: string | undefined): Promise<string | undefined> {
  if (last !== undefined) {
    const other = 'Choose another file…';
    const chosen = await vscode.window.showQuickPick([last, other], { title: `Problems of ${suite}`, ...staysOpen });
    if (chosen !== other) return chosen;
  }
  const files = await vscode.window.showOpenDialog({
    title: `Problems of ${suite}, as JSON lines, a JSON array or CSV`,
    filters: { Problems: ['jsonl', 'json', 'csv'] },
    openLabel: 'Evaluate on These',
  });
  return files?.[0]?.fsPath;
}

/** Every model, the one of last time first. */
async function askModel(known: readonly ModelSummary[], last: string): Promise<string | undefined> {
  const items = known
    .map(({ name, kind, description }) => ({
      label: labelOf(name),
      description: origins[kind],
      detail: description,
      name,
    }))
    .sort((a, b) => Number(b.name === last) - Number(a.name === last));
  const options = { title: 'Which model? (2/3)', matchOnDescription: true, matchOnDetail: true, ...staysOpen };
  return (await vscode.window.showQuickPick(items, options))?.name;
}

/** The runtime knows them; where it is down, a program of its own lists them. */
async function models(runtime: Runtime, ask: AskUnmask): Promise<readonly ModelSummary[]> {
  const known = await runtime.request<ModelSummary[]>(listModels).catch(() => null);
  const models = known ?? (await ask<{ models: ModelSummary[] }>(['models'])).models;
  return models.filter(({ problem }) => problem === null);
}

async function askProblems(last: number | null): Promise<number | null | undefined> {
  const text = await vscode.window.showInputBox({
    ...staysOpen,
    title: 'How many problems of each suite? (3/3)',
    prompt: 'More problems make the interval narrower. “all” takes the whole of a file.',
    value: last === null ? 'all' : String(last),
    validateInput: (value) =>
      parseProblems(value) === undefined ? 'Give a whole number of at least 1, or “all”.' : null,
  });
  return text === undefined ? undefined : parseProblems(text);
}

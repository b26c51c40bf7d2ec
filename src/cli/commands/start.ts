import path from 'node:path';
import { Option } from 'commander';
import { z } from 'zod';
import { resolveModel } from '../../catalogue/resolve-model.ts';
import { chooseEngine, listDevices } from '../../engine/devices.ts';
import type { Engine } from '../../engine/engine.ts';
import { defaultDecoding } from '../../evaluation/answers.ts';
import { compareEvaluations, type EvaluationResult, evaluate } from '../../evaluation/evaluate.ts';
import { framesOf } from '../../evaluation/frames.ts';
import { writeReport } from '../../evaluation/report.ts';
import { verdicts } from '../../evaluation/verdict.ts';
import { type Checkpoint, readCheckpoint } from '../../model/checkpoint.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { count } from '../../platform/amounts.ts';
import { writeJson } from '../../platform/files.ts';
import { packageRoot } from '../../platform/package-root.ts';
import type { Interval } from '../../protocol/interval.ts';
import { taskByName } from '../../tasks/registry.ts';
import type { Task } from '../../tasks/task.ts';
import { optimizerSettings } from '../../training/optimizer-settings.ts';
import { tuningSettings } from '../../tuning/settings.ts';
import { type StartSettings, type StartTask, startSettings } from '../../tuning/start-settings.ts';
import { superviseFor } from '../../tuning/supervised-control.ts';
import { startTuning, type TuningResult } from '../../tuning/tuning-run.ts';
import {
  type AddCommand,
  type CommandContext,
  type EngineOptions,
  positiveNumber,
  wholeNumber,
  withEngine,
} from '../command.ts';
import { showDenoising } from '../denoising-view.ts';
import { startReport } from '../start-report.ts';
import { duration, progressHooks } from '../training-progress.ts';
import { deviceRows } from './devices.ts';

interface StartOptions extends EngineOptions {
  readonly task: StartTask;
  readonly seed: number;
  readonly steps?: number;
  readonly timeLimit?: number;
  readonly problems?: number;
  readonly runs?: string;
}

/** What `npm start` writes to `runs/start.json`. */
interface StartDocument {
  readonly task: string;
  readonly n: number;
  readonly before: Readonly<Record<string, Interval>>;
  readonly after: Readonly<Record<string, Interval>>;
  readonly control: Readonly<Record<string, Interval>>;
  readonly difference: Interval;
  readonly versus_control: Interval;
  readonly seconds: number;
  readonly report: string;
  readonly seed: number;
  readonly checkpoint: string;
}

export function addStart(add: AddCommand): void {
  withEngine(
    add<StartOptions>(
      'start',
      'Tune a bundled model with SPG on puzzles or programs and show the results',
      async (options, context) => {
        const document = await start(options, context);
        return { document, lines: [] };
      },
    )
      .addOption(
        new Option('--task <name>', 'Sudokus with a check of the rules, or programs with unit tests')
          .choices(Object.keys(startSettings))
          .default('sudoku4x4'),
      )
      .addOption(wholeNumber('--seed <seed>', 'seed for problems, rollouts and masks', 0).default(0))
      .addOption(wholeNumber('--steps <n>', `maximum number of steps ${defaults('steps')}`))
      .addOption(positiveNumber('--time-limit <seconds>', `maximum seconds of tuning ${defaults('timeLimit')}`))
      .addOption(wholeNumber('--problems <n>', `held-out problems ${defaults('problems')}`))
      .option('--runs <folder>', 'folder for the run, the report and start.json (default: runs/ in this folder)'),
  );
}

/** The default of an option for each task. */
const defaults = (option: 'steps' | 'timeLimit' | 'problems'): string =>
  `(default: ${Object.values(startSettings)
    .map((settings) => `${settings[option]} for ${settings.task}`)
    .join(', ')})`;

async function start(options: StartOptions, context: CommandContext): Promise<StartDocument> {
  const chosen = startSettings[options.task];
  const { text } = chosen;
  const say = context.progress;
  const root = path.resolve(options.runs ?? path.join(packageRoot(), 'runs'));
  heading(say, 'Devices');
  for (const row of deviceRows(await listDevices())) say(row);
  const begin = performance.now();
  const engine = await chooseEngine(options);
  const base = await readCheckpoint(await resolveModel(chosen.model));
  const task = taskByName(chosen.task);
  const rows = task.heldOut!('test', options.problems ?? chosen.problems);
  const measure = (model: LanguageModel) => evaluateOn(model, task, rows, context);

  heading(say, `The base, ${chosen.model}, on ${rows.length} held-out ${text.problem[rows.length === 1 ? 0 : 1]}`);
  const before = await withModel(engine, base, measure);
  sayMetrics(say, before);

  heading(say, `SPG on fresh ${text.problem[1]} without labels, seed ${options.seed}`);
  const tuned = await tune(engine, root, { chosen, options }, context);
  const tunedCheckpoint = await readCheckpoint(await resolveModel(tuned.checkpoint));
  const after = await withModel(engine, tunedCheckpoint, measure);
  sayMetrics(say, after);

  heading(say, `The control: ${duration(tuned.seconds)} more of supervised training on the base's ${text.labelled}`);
  const { control, steps: controlSteps } = await superviseControl(
    engine,
    base,
    { chosen, seconds: tuned.seconds, seed: options.seed },
    context,
    measure,
  );
  say(count(controlSteps, 'step'));
  sayMetrics(say, control);

  const [metric] = task.metrics;
  const data = await startReport({
    task,
    settings: chosen,
    tuned,
    before,
    after,
    control,
    controlSteps,
    tokenizer: tunedCheckpoint.tokenizer,
    engine,
  });
  heading(say, 'Result');
  for (const sentence of verdicts(data.headline!)) say(sentence);

  heading(say, `A held-out ${text.problem[0]} being denoised by the tuned model`);
  const watched = after.answers.find(({ grade }) => grade.correct) ?? after.answers[0]!;
  await showDenoising({ frames: framesOf(watched.denoised, tunedCheckpoint.tokenizer), columns: chosen.columns });

  const report = path.join(root, 'start.html');
  await writeReport(report, data);
  const seconds = (performance.now() - begin) / 1000;
  const document: StartDocument = {
    task: task.name,
    n: rows.length,
    before: before.metrics,
    after: after.metrics,
    control: control.metrics,
    difference: compareEvaluations(before, after, metric),
    versus_control: compareEvaluations(control, after, metric),
    seconds,
    report,
    seed: options.seed,
    checkpoint: tuned.checkpoint,
  };
  await writeJson(path.join(root, 'start.json'), document);
  say('');
  say(`${duration(seconds)} in all. Report: ${report}`);
  say(`Tuned model: ${tuned.checkpoint}`);
  return document;
}

function tune(
  engine: Engine,
  root: string,
  { chosen, options }: { readonly chosen: StartSettings; readonly options: StartOptions },
  context: CommandContext,
): Promise<TuningResult> {
  const settings = tuningSettings.parse(chosen.settings);
  const { task, objective, model } = chosen;
  const { seed, steps = chosen.steps, timeLimit = chosen.timeLimit } = options;
  const request = { task, objective, model, seed, steps, timeLimit, settings, data: null, testProblems: 0 };
  return startTuning(engine, root, request, progressHooks(context));
}

async function superviseControl(
  engine: Engine,
  base: Checkpoint,
  { chosen, seconds, seed }: { readonly chosen: StartSettings; readonly seconds: number; readonly seed: number },
  { signal, progress }: CommandContext,
  measure: (model: LanguageModel) => Promise<EvaluationResult>,
) {
  const { examples, batch, settings } = chosen.control;
  let shown = performance.now();
  const { model, steps } = await superviseFor(engine, base, {
    examples: (random) => examples(batch, random),
    optimizer: z.object(optimizerSettings).parse(settings),
    seconds,
    seed,
    signal,
    onStep: (step, loss, left) => {
      if (performance.now() - shown < 10_000) return;
      shown = performance.now();
      progress(`step ${step}  loss ${loss.toFixed(3)}  ${duration(left)} left`);
    },
  });
  const control = await measure(model);
  await model.dispose();
  return { control, steps };
}

async function withModel(
  engine: Engine,
  checkpoint: Checkpoint,
  work: (model: LanguageModel) => Promise<EvaluationResult>,
): Promise<EvaluationResult> {
  const model = await LanguageModel.load(engine, checkpoint);
  try {
    return await work(model);
  } finally {
    await model.dispose();
  }
}

/** Evaluates greedy answers, like `unmask eval`. */
function evaluateOn(
  model: LanguageModel,
  task: Task,
  rows: readonly unknown[],
  { signal }: CommandContext,
): Promise<EvaluationResult> {
  return evaluate(model, task, rows, {
    format: model.generation.prompt_format,
    decoding: defaultDecoding(model, task),
    samples: 1,
    seed: 0,
    signal,
  });
}

function heading(say: (line: string) => void, text: string): void {
  say('');
  say(`== ${text}`);
}

function sayMetrics(say: (line: string) => void, { metrics, seconds }: EvaluationResult): void {
  const shown = Object.entries(metrics).map(
    ([name, { value, low, high }]) => `${name} ${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`,
  );
  say(`${shown.join('  ')}  (${seconds.toFixed(1)} s)`);
}

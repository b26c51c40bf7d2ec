import path from 'node:path';
import { z } from 'zod';
import { bundledPuzzleModel } from '../../catalogue/find-model.ts';
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
import { writeJson } from '../../platform/files.ts';
import { packageRoot } from '../../platform/package-root.ts';
import type { Interval } from '../../protocol/interval.ts';
import { taskByName } from '../../tasks/registry.ts';
import type { Task } from '../../tasks/task.ts';
import { optimizerSettings } from '../../training/optimizer-settings.ts';
import { tuningSettings } from '../../tuning/settings.ts';
import { startSettings } from '../../tuning/start-settings.ts';
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
  readonly seed: number;
  readonly steps: number;
  readonly timeLimit: number;
  readonly problems: number;
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
      'Tune the bundled puzzle model with SPG on Sudokus and show the results',
      async (options, context) => {
        const document = await start(options, context);
        return { document, lines: [] };
      },
    )
      .addOption(wholeNumber('--seed <seed>', 'seed for problems, rollouts and masks', 0).default(0))
      .addOption(wholeNumber('--steps <n>', 'maximum number of steps').default(startSettings.steps))
      .addOption(positiveNumber('--time-limit <seconds>', 'maximum seconds of tuning').default(startSettings.timeLimit))
      .addOption(wholeNumber('--problems <n>', 'held-out puzzles').default(startSettings.problems))
      .option('--runs <folder>', 'folder for the run, the report and start.json (default: runs/ in this folder)'),
  );
}

async function start(options: StartOptions, context: CommandContext): Promise<StartDocument> {
  const say = context.progress;
  const root = path.resolve(options.runs ?? path.join(packageRoot(), 'runs'));
  heading(say, 'Devices');
  for (const row of deviceRows(await listDevices())) say(row);
  const begin = performance.now();
  const engine = await chooseEngine(options);
  const base = await readCheckpoint(await resolveModel(bundledPuzzleModel));
  const task = taskByName(startSettings.task);
  const rows = task.heldOut!('test', options.problems);
  const measure = (model: LanguageModel) => evaluateOn(model, task, rows, context);

  heading(say, `The base, ${bundledPuzzleModel}, on ${rows.length} held-out puzzles`);
  const before = await withModel(engine, base, measure);
  sayMetrics(say, before);

  heading(say, `SPG on fresh puzzles without labels, seed ${options.seed}`);
  const tuned = await tune(engine, root, options, context);
  const tunedCheckpoint = await readCheckpoint(await resolveModel(tuned.checkpoint));
  const after = await withModel(engine, tunedCheckpoint, measure);
  sayMetrics(say, after);

  heading(
    say,
    `The control: ${duration(tuned.seconds)} more of supervised training on the base's ${startSettings.control.labelled} labelled puzzles`,
  );
  const { control, steps: controlSteps } = await superviseControl(
    engine,
    base,
    tuned.seconds,
    options,
    context,
    measure,
  );
  say(`${controlSteps} steps`);
  sayMetrics(say, control);

  const [metric] = task.metrics;
  const data = await startReport({
    task,
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

  heading(say, 'A held-out puzzle being denoised by the tuned model');
  const watched = after.answers.find(({ grade }) => grade.correct) ?? after.answers[0]!;
  await showDenoising({ frames: framesOf(watched.denoised, tunedCheckpoint.tokenizer), columns: 4 });

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
  { seed, steps, timeLimit }: StartOptions,
  context: CommandContext,
): Promise<TuningResult> {
  const settings = tuningSettings.parse(startSettings.settings);
  const { task, objective } = startSettings;
  const model = bundledPuzzleModel;
  const request = { task, objective, model, seed, steps, timeLimit, settings, data: null, testProblems: 0 };
  return startTuning(engine, root, request, progressHooks(context));
}

async function superviseControl(
  engine: Engine,
  base: Checkpoint,
  seconds: number,
  { seed }: StartOptions,
  { signal, progress }: CommandContext,
  measure: (model: LanguageModel) => Promise<EvaluationResult>,
) {
  const { examples, batch, settings } = startSettings.control;
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

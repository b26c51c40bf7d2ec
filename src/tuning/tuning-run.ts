import path from 'node:path';
import { z } from 'zod';
import { resolveModel } from '../catalogue/resolve-model.ts';
import { checkDecoding } from '../diffusion/denoise.ts';
import { deviceMemory, sharesMemory } from '../engine/device-memory.ts';
import type { Engine } from '../engine/engine.ts';
import { contextLength, defaultDecoding, type InfillingChoice } from '../evaluation/answers.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { reportAnswers } from '../evaluation/report-answers.ts';
import type { HostTensor } from '../graph/tensor.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import { assertDenoises } from '../model/config.ts';
import { LanguageModel } from '../model/language-model.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import { UsageError, UserError } from '../platform/errors.ts';
import { packageVersion } from '../platform/package-root.ts';
import { Random } from '../platform/random.ts';
import type { Evaluation } from '../protocol/events.ts';
import type { Interval } from '../protocol/interval.ts';
import { describeSplit, type RowSplit } from '../protocol/row-split.ts';
import type { Json } from '../protocol/run.ts';
import { keepAsBase, latestCheckpoint } from '../runs/checkpoints.ts';
import { runFile } from '../runs/layout.ts';
import { evaluationsOf, readEvents } from '../runs/reader.ts';
import { type JobLocation, type RunningJob, readResumable, refuseSetting, runJob } from '../runs/run-job.ts';
import { taskByName } from '../tasks/registry.ts';
import { readRowFile } from '../tasks/row-file.ts';
import { type SplitRows, splitAsRecorded, splitByPosition, splitRows } from '../tasks/split-rows.ts';
import type { Task } from '../tasks/task.ts';
import { assertFits, memoryNeed } from '../training/memory.ts';
import { trainingState } from '../training/trainer.ts';
import { freshProgress, readProgress, resumedState, type TrainingProgress } from '../training/training-checkpoint.ts';
import { runTrainingJob, shownMetrics, type TrainingHooks, type TrainingMethod } from '../training/training-job.ts';
import { checkObjective, objectiveByName } from './objectives/registry.ts';
import { policyGradient, resolveSettings } from './policy-gradient.ts';
import { type FullTuningSettings, tuningSettings } from './settings.ts';
import { adapterOf, startingPoint } from './starting-point.ts';

/** A request for a tuning run. It is stored in `run.json`, so that the run can be resumed. */
export interface TuningRequest {
  readonly task: string;
  readonly objective: string;
  readonly model: string;
  readonly steps: number | null;
  readonly timeLimit: number | null;
  readonly seed: number;
  readonly settings: FullTuningSettings;
  /** File of training problems, for tasks that do not generate problems. */
  readonly data: string | null;
  /** Number of held-out problems for the evaluation before and after training; 0: no evaluation. */
  readonly testProblems: number;
}

export type TuningHooks = TrainingHooks;

/** What `unmask tune` prints. */
export interface TuningResult {
  readonly run: string;
  readonly dir: string;
  readonly steps: number;
  readonly seconds: number;
  readonly before: Readonly<Record<string, Interval>> | null;
  readonly after: Readonly<Record<string, Interval>> | null;
  readonly checkpoint: string;
}

/** Starts a tuning run in a new directory under `root`. */
export async function startTuning(
  engine: Engine,
  root: string,
  request: TuningRequest,
  hooks: TuningHooks = {},
): Promise<TuningResult> {
  const resolved = await resolveModel(request.model);
  const memory = await checkMemory(engine, resolved, request, hooks);
  const model = await begin(engine, resolved, request);
  const { task, objective, seed, steps, settings, ...rest } = request;
  // An invalid request is reported before a run directory is created.
  const prepared = await prepareOrDispose(model, request, splitRows);
  if (prepared.split) hooks.onPrepare?.(describeSplit(prepared.split.counts));
  const run = {
    kind: 'tune',
    task,
    model: resolved.folder,
    objective,
    seed,
    steps,
    settings: {
      ...(settings as FullTuningSettings & Record<string, Json>),
      time_limit: rest.timeLimit,
      data: rest.data,
      test_problems: rest.testProblems,
    },
    device: { engine: engine.name, device: engine.device },
    ...(prepared.split ? { split: prepared.split } : {}),
    memory,
    versions: { unmask: packageVersion(), node: process.versions.node },
  } as const;
  return runTuning({
    location: { root, run },
    ...{ model, request, prepared, hooks },
    base: resolved.base,
    progress: freshProgress,
    restored: new Map(),
  });
}

/** Continues a run from its last checkpoint, on the same trajectory. */
export async function resumeTuning(engine: Engine, dir: string, hooks: TuningHooks = {}): Promise<TuningResult> {
  const configuration = await readResumable(dir, 'tune');
  const { time_limit: timeLimit, data, test_problems: testProblems, ...recorded } = configuration.settings;
  // Runs that began before this setting existed predicted every token of the canvas, and continue so.
  const settings = tuningSettings.safeParse({ infilling: 'canvas', ...recorded });
  if (!settings.success) refuseSetting(dir, settings.error.issues[0]!.path.join('.'));
  const request: TuningRequest = {
    task: configuration.task as string,
    objective: configuration.objective as string,
    model: configuration.model as string,
    steps: configuration.steps,
    seed: configuration.seed,
    settings: settings.data,
    timeLimit: z
      .number()
      .nullable()
      .parse(timeLimit ?? null),
    data: z
      .string()
      .nullable()
      .parse(data ?? null),
    testProblems: z.number().parse(testProblems ?? 0),
  };
  const last = await latestCheckpoint(dir);
  const resolved = await resolveModel(last?.dir ?? request.model);
  await checkMemory(engine, resolved, request, hooks);
  const { progress, optimizer, method } = last
    ? await readProgress(last.dir)
    : { progress: freshProgress, optimizer: new Map(), method: new Map() };
  const model = await (last ? continueTuning(engine, resolved, optimizer) : begin(engine, resolved, request));
  const { split } = configuration;
  const prepared = await prepareOrDispose(model, request, (task, rows) =>
    split ? splitAsRecorded(task, rows, split) : splitByPosition(rows),
  );
  return runTuning({
    location: { dir, step: progress.step },
    model,
    request,
    prepared,
    progress,
    restored: method,
    hooks,
  });
}

const prepareOrDispose = (...[model, ...rest]: Parameters<typeof prepare>): Promise<Prepared> =>
  prepare(model, ...rest).catch(async (error: unknown) => {
    await model.dispose();
    throw error;
  });

/** The model that a run begins with. The weights read from disk are released here; an engine may store them differently. */
async function begin(engine: Engine, resolved: ResolvedModel, request: TuningRequest): Promise<LanguageModel> {
  const checkpoint = await startingPoint(engine, resolved, request);
  return LanguageModel.load(engine, checkpoint, trainingState(checkpoint.config, checkpoint.adapter));
}

/** The model of the checkpoint that a run resumes from. */
async function continueTuning(
  engine: Engine,
  resolved: ResolvedModel,
  optimizer: ReadonlyMap<string, HostTensor>,
): Promise<LanguageModel> {
  const checkpoint = await openCheckpoint(resolved);
  return LanguageModel.load(engine, checkpoint, resumedState(checkpoint, optimizer));
}

/**
 * Reports how much memory a run needs on its device, before any weight is read, and returns it in bytes. Throws a
 * `UserError` if it cannot fit.
 */
async function checkMemory(
  { name, device }: Engine,
  resolved: ResolvedModel,
  { task, settings }: TuningRequest,
  { onPrepare }: TuningHooks,
): Promise<number> {
  const { config, generation } = resolved;
  assertDenoises(config);
  const adapter = adapterOf(resolved, settings);
  const {
    settings: { length: answer },
  } = resolveSettings({ generation }, taskByName(task), settings, generation.prompt_format);
  const need = memoryNeed(config, {
    adapter: adapter ?? undefined,
    // All other devices store a quantised base dequantised.
    precision: name === 'onnx' && device === 'cpu' ? (adapter?.precision ?? 'f32') : 'f32',
    // Prompts are not known yet; the estimate assumes that they are as long as the completions.
    row: { length: Math.min(2 * answer, config.max_position_embeddings), answer },
    rows: settings.micro_batch * settings.mask_samples,
  });
  const owner = sharesMemory(device, 'cpu') ? 'this machine' : `its ${device} device`;
  onPrepare?.(assertFits(need, await deviceMemory(device), owner));
  return need.about;
}

interface Prepared {
  readonly task: Task;
  readonly problem: (random: Random) => unknown;
  readonly validation: readonly unknown[];
  readonly test: readonly unknown[];
  /** How the rows of a data file were split; null if there is no file, or if its split has no record. */
  readonly split: RowSplit | null;
}

/**
 * Prepares the problems of a request and scores one as a test. Problems from a file are divided by `split`. Throws if
 * task, reward, data and model do not fit together.
 */
async function prepare(
  model: LanguageModel,
  { task: name, objective, settings, data, steps, testProblems }: TuningRequest,
  split: (task: Task, rows: readonly unknown[], data: string) => SplitRows,
): Promise<Prepared> {
  const task = taskByName(name);
  const rows =
    data === null ? null : (await readRowFile(data, (record) => task.parse(record))).rows.map(({ row }) => row);
  const format = model.generation.prompt_format;
  if (!rows && !(task.generate && task.heldOut))
    throw new UsageError(`${name} has no problems of its own; give a file with --data.`);
  const { decoding } = resolveSettings(model, task, settings, format);
  checkDecoding(decoding);
  if (settings.block !== null && decoding.length % settings.block !== 0)
    throw new UsageError(
      `Setting block = ${settings.block} does not divide the ${decoding.length} tokens of a completion; give one that does.`,
    );
  if (settings.temperature === 0)
    throw new UsageError(
      'Setting temperature = 0 makes all completions of a group alike, so that nothing can be learnt; give one above 0.',
    );
  checkObjective(objective, settings, model.config);
  if (settings.adapter === 'lora' && settings.optimizer === 'muon')
    throw new UsageError(
      "Setting optimizer = muon is for the layers' projections, which stay as they are beside an adapter; leave it adamw.",
    );
  if (steps === null && settings.lr_schedule !== 'constant')
    throw new UsageError(
      `Setting lr_schedule = ${settings.lr_schedule} needs --steps: a time limit alone does not say where it ends.`,
    );
  const longestContext = model.config.max_position_embeddings - decoding.length;
  const contextLengthOf = (row: unknown) => contextLength(model, task, row, format);
  const divided = rows && split(task, rows, data as string);
  // Problems that are too long for the model are left out. If all training problems are too long, `checkLength` below
  // reports by how much.
  const fitting = (part: readonly unknown[]) => part.filter((row) => contextLengthOf(row) <= longestContext);
  const short = divided && fitting(divided.parts.training);
  const training = short?.length === 0 ? divided!.parts.training : short;
  if (training?.length === 0)
    throw new UserError(
      `${data} has none of the problems that this run trains on any more; restore it, or start a new run.`,
    );
  const generateOptions = { ...settings.task_options };
  const problem = training
    ? (random: Random) => random.pick(training)
    : (random: Random) => task.generate!(random, generateOptions);
  const probe = problem(new Random(0, 'probe'));
  await task.scorer.reward([{ row: probe, completion: '', reward: settings.reward ?? task.rewards[0] }], format);
  const prompt = task.prompt(probe, format);
  if (model.tokenizer.dropsRowsOf(prompt))
    throw new UserError(`The model's tokenizer has no tokens for a prompt of ${name}; choose another model.`);
  model.checkLength(contextLengthOf(probe) + decoding.length);
  return {
    task,
    problem,
    validation: divided
      ? fitting(divided.parts.validation).slice(0, settings.evaluation_problems)
      : task.heldOut!('validation', settings.evaluation_problems, generateOptions),
    test:
      testProblems === 0
        ? []
        : divided
          ? fitting(divided.parts.test).slice(0, testProblems)
          : task.heldOut!('test', testProblems, generateOptions),
    split: divided?.record ?? null,
  };
}

interface TuningJob {
  readonly location: JobLocation;
  /** Folder of the full model with which a new run begins; absent if the run is resumed. */
  readonly base?: string;
  readonly model: LanguageModel;
  readonly request: TuningRequest;
  readonly prepared: Prepared;
  readonly progress: TrainingProgress;
  readonly restored: ReadonlyMap<string, HostTensor>;
  readonly hooks: TuningHooks;
}

function runTuning(tuning: TuningJob): Promise<TuningResult> {
  const { location, base, model, request, prepared, progress, restored, hooks } = tuning;
  const { steps, timeLimit, seed, settings } = request;
  const { task, problem, validation } = prepared;
  let method: TrainingMethod | undefined;
  return runJob({
    location,
    hooks,
    async work(job) {
      const { dir, configuration } = job.run;
      if (settings.adapter === 'lora' && base !== undefined) await keepBase(base, dir);
      const objective = objectiveByName(request.objective);
      method = policyGradient({ model, task, objective, settings, seed, steps, problem, validation, restored });
      const test = new TestProblems(job, model, prepared, settings.infilling, hooks);
      const before = (await test.noted(0)) ?? (progress.step === 0 ? await test.measure(0) : null);
      const done = await runTrainingJob({
        job,
        model,
        method,
        progress,
        steps,
        timeLimit,
        evaluateEvery: settings.evaluate_every,
        checkpointEvery: settings.checkpoint_every,
        keepCheckpoints: settings.keep_checkpoints,
        hooks,
      });
      const after = (await test.noted(done.step)) ?? (await test.measure(done.step));
      const checkpoint = (await latestCheckpoint(dir))?.dir ?? '';
      return { run: configuration.name, dir, steps: done.step, seconds: done.seconds, before, after, checkpoint };
    },
    async dispose() {
      await method?.dispose?.();
      await model.dispose();
    },
  });
}

/** If an adapter's base is a checkpoint of another run, records in that run that this one needs it. */
async function keepBase(base: string, run: string): Promise<void> {
  const isCheckpoint = path.basename(path.dirname(base)) === path.basename(runFile(run).checkpoints);
  if (isCheckpoint) await keepAsBase(base, run);
}

/** Evaluates the model on the test problems, before the first step and after the last. */
class TestProblems {
  readonly #job: RunningJob;
  readonly #model: LanguageModel;
  readonly #prepared: Prepared;
  readonly #infilling: InfillingChoice;
  readonly #hooks: TuningHooks;

  constructor(
    job: RunningJob,
    model: LanguageModel,
    prepared: Prepared,
    infilling: InfillingChoice,
    hooks: TuningHooks,
  ) {
    this.#job = job;
    this.#model = model;
    this.#prepared = prepared;
    this.#infilling = infilling;
    this.#hooks = hooks;
  }

  /** Evaluates the current weights and appends the result to the event log; null if there are no test problems. */
  async measure(step: number): Promise<Readonly<Record<string, Interval>> | null> {
    const { task, test } = this.#prepared;
    if (test.length === 0) return null;
    const { run, signal } = this.#job;
    const format = this.#model.generation.prompt_format;
    await run.log(
      `Evaluating on ${test.length} test ${test.length === 1 ? 'problem' : 'problems'} after step ${step}.`,
    );
    const { metrics, n, seconds } = await evaluate(this.#model, task, test, {
      format,
      decoding: defaultDecoding(this.#model, task, format, this.#infilling),
      samples: 1,
      seed: 0,
      signal,
      progress: reportAnswers(this.#job, 'test'),
    });
    const evaluation: Evaluation = { task: task.name, split: 'test', n, metrics, seconds };
    await run.append({ step, time: Date.now() / 1000, evaluation });
    await run.log(`Evaluated: ${shownMetrics(evaluation)}.`);
    this.#hooks.onEvaluation?.(step, evaluation);
    return metrics;
  }

  /** The result at a step from the event log; undefined if it was not measured yet. */
  async noted(step: number): Promise<Readonly<Record<string, Interval>> | undefined> {
    const events = evaluationsOf(await readEvents(this.#job.run.dir));
    return events.find((event) => event.step === step && event.evaluation.split === 'test')?.evaluation.metrics;
  }
}

import path from 'node:path';
import { z } from 'zod';
import { resolveModel } from '../catalogue/resolve-model.ts';
import { deviceMemory, sharesMemory } from '../engine/device-memory.ts';
import type { Engine } from '../engine/engine.ts';
import type { HostTensor } from '../graph/tensor.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import { assertDenoises } from '../model/config.ts';
import { LanguageModel } from '../model/language-model.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import { UsageError } from '../platform/errors.ts';
import { packageVersion } from '../platform/package-root.ts';
import { describeSplit } from '../protocol/row-split.ts';
import type { Json } from '../protocol/run.ts';
import { keepAsBase, latestCheckpoint } from '../runs/checkpoints.ts';
import { runFile } from '../runs/layout.ts';
import { type JobLocation, type RunningJob, readResumable, refuseSetting, runJob } from '../runs/run-job.ts';
import { findResumePoint } from '../runs/whole-checkpoints.ts';
import { taskByName } from '../tasks/registry.ts';
import { splitAsRecorded, splitByPosition, splitRows } from '../tasks/split-rows.ts';
import { assertFits, memoryNeed } from '../training/memory.ts';
import { trainingState } from '../training/trainer.ts';
import { freshProgress, readProgress, resumedState, type TrainingProgress } from '../training/training-checkpoint.ts';
import { runTrainingJob, type TrainingHooks } from '../training/training-job.ts';
import { objectiveByName } from './objectives/registry.ts';
import { type PolicyGradientMethod, policyGradient } from './policy-gradient.ts';
import { type PreparedProblems, type PrepareOptions, prepareProblems } from './prepare-problems.ts';
import { resolveSettings } from './resolve-settings.ts';
import { checkSharing, type OpenWorkers, type RunWorkers } from './run-workers.ts';
import { type FullTuningSettings, tuningSettings } from './settings.ts';
import { adapterOf, startingPoint } from './starting-point.ts';
import { type Metrics, measureTestProblems, recordedTest } from './test-problems.ts';
import { runTrial } from './trial.ts';
import type { TuningRequest } from './tuning-request.ts';

export interface TuningHooks extends TrainingHooks {
  /** Workers that share the rollouts and rewards; absent: this process computes everything. */
  readonly workers?: RunWorkers | undefined;
}

/** What `unmask tune` prints. */
export interface TuningResult {
  readonly run: string;
  readonly dir: string;
  readonly steps: number;
  readonly seconds: number;
  readonly before: Metrics | null;
  readonly after: Metrics | null;
  readonly checkpoint: string;
}

/** Starts a tuning run in a new directory under `root`. */
export async function startTuning(
  engine: Engine,
  root: string,
  request: TuningRequest,
  hooks: TuningHooks = {},
): Promise<TuningResult> {
  if (hooks.workers) checkSharing(objectiveByName(request.objective), request.settings);
  else if (request.settings.staleness > 0)
    throw new UsageError(
      `Setting staleness = ${request.settings.staleness} needs workers that generate rollouts during updates; add --workers, or set staleness=0.`,
    );
  const resolved = await resolveModel(request.model);
  const memory = await checkMemory(engine, resolved, request, hooks);
  const model = await loadInitial(engine, resolved, request);
  const { task, objective, seed, steps, settings, timeLimit, data, testProblems } = request;
  // An invalid request is reported before a run directory is created.
  const prepared = await prepareOrDispose(model, request, { split: splitRows, hooks, base: resolved });
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
      time_limit: timeLimit,
      data,
      test_problems: testProblems,
    },
    device: { engine: engine.name, device: engine.device },
    ...(prepared.split ? { split: prepared.split } : {}),
    memory,
    versions: { unmask: packageVersion(), node: process.versions.node },
  } as const;
  return runTuning({
    location: { root, run },
    ...{ model, request, prepared, hooks, origin: resolved },
    base: resolved.base,
    progress: freshProgress,
    restored: new Map(),
  });
}

/** Continues a run from its last checkpoint, on the same trajectory. */
export async function resumeTuning(engine: Engine, dir: string, hooks: TuningHooks = {}): Promise<TuningResult> {
  const configuration = await readResumable(dir, 'tune');
  const { time_limit: timeLimit, data, test_problems: testProblems, ...recorded } = configuration.settings;
  // Runs of versions without these settings predicted every token of the canvas, trained on whole solutions, and made no
  // trial. They continue that way.
  const before = { infilling: 'canvas', curriculum: false, trial_attempts: 0, rollout_batch: 'step' };
  const settings = tuningSettings.safeParse({ ...before, ...recorded });
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
  if (hooks.workers) checkSharing(objectiveByName(request.objective), request.settings);
  const { checkpoint: last, notes } = await findResumePoint(dir);
  for (const note of notes) hooks.onWarning?.(note);
  const resolved = await resolveModel(last?.dir ?? request.model);
  await checkMemory(engine, resolved, request, hooks);
  const { progress, optimizer, method } = last
    ? await readProgress(last.dir)
    : { progress: freshProgress, optimizer: new Map(), method: new Map() };
  const model = await (last ? loadCheckpoint(engine, resolved, optimizer) : loadInitial(engine, resolved, request));
  const { split } = configuration;
  const origin = last && hooks.workers ? await resolveModel(request.model) : resolved;
  const prepared = await prepareOrDispose(model, request, {
    split: (task, rows) => (split ? splitAsRecorded(task, rows, split) : splitByPosition(rows)),
    hooks,
    restored: method,
    base: origin,
  });
  return runTuning({
    location: { dir, step: progress.step, notes },
    model,
    origin,
    request,
    prepared,
    progress,
    restored: method,
    hooks,
  });
}

/** Prepares the problems, and checks that workers can help if there are some. `base` is the model that the run started from. */
async function prepareOrDispose(
  model: LanguageModel,
  request: TuningRequest,
  { base, ...options }: PrepareOptions & { readonly hooks: TuningHooks; readonly base: ResolvedModel },
): Promise<PreparedProblems> {
  try {
    await options.hooks.workers?.check(model, base);
    return await prepareProblems(model, request, options);
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

/** The model that a run begins with. When this returns, only the engine holds the weights, in its own format. */
async function loadInitial(engine: Engine, resolved: ResolvedModel, request: TuningRequest): Promise<LanguageModel> {
  const checkpoint = await startingPoint(engine, resolved, request);
  return LanguageModel.load(engine, checkpoint, trainingState(checkpoint.config, checkpoint.adapter));
}

/** The model of the checkpoint that a run resumes from. */
async function loadCheckpoint(
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

interface TuningJob {
  readonly location: JobLocation;
  /** Folder of the full model with which a new run begins; absent if the run is resumed. */
  readonly base?: string;
  readonly model: LanguageModel;
  /** The model that the run started from. */
  readonly origin: ResolvedModel;
  readonly request: TuningRequest;
  readonly prepared: PreparedProblems;
  readonly progress: TrainingProgress;
  readonly restored: ReadonlyMap<string, HostTensor>;
  readonly hooks: TuningHooks;
}

function runTuning(tuning: TuningJob): Promise<TuningResult> {
  const { location, model, hooks } = tuning;
  const disposals: (() => Promise<void> | undefined)[] = [() => model.dispose()];
  return runJob({
    location,
    hooks,
    async work(job) {
      const { task } = tuning.prepared;
      const { staleness } = tuning.request.settings;
      const workers = await hooks.workers?.open({ job, model, task, base: tuning.origin, staleness });
      let finished = false;
      try {
        const method = methodOf(tuning, workers);
        disposals.unshift(() => method.dispose?.());
        const result = await tuneAndMeasure(tuning, method, job);
        finished = true;
        return result;
      } finally {
        await workers?.close({ finished });
      }
    },
    async dispose() {
      for (const dispose of disposals) await dispose();
    },
  });
}

function methodOf(
  { model, request, prepared, restored }: TuningJob,
  workers: OpenWorkers | undefined,
): PolicyGradientMethod {
  const { steps, seed, settings } = request;
  const { task, problems, validation } = prepared;
  return policyGradient({
    ...{ model, settings, seed, steps, problems, validation, restored, workers },
    objective: objectiveByName(request.objective),
    task: workers?.task ?? task,
  });
}

/** The work of a run: a trial and an evaluation before the first step, the steps, and an evaluation after them. */
async function tuneAndMeasure(
  { base, model, request, prepared, progress, hooks }: TuningJob,
  method: PolicyGradientMethod,
  job: RunningJob,
): Promise<TuningResult> {
  const { steps, timeLimit, settings } = request;
  const { task, findings, test } = prepared;
  const { dir, configuration } = job.run;
  if (settings.log_to === 'tensorboard') await job.run.logToTensorboard();
  if (settings.adapter === 'lora' && base !== undefined) await keepBase(base, dir);
  if ((await latestCheckpoint(dir)) === null) {
    for (const finding of findings) await job.warn(finding);
    const { trial_attempts: attempts } = settings;
    if (task.scorer.runsTests && attempts > 0)
      await runTrial(method, { attempts, task: task.name, metric: task.metrics[0] }, job, hooks);
  }
  const heldOut = { model, task, problems: test, split: 'test', infilling: settings.infilling } as const;
  const measure = (step: number) => measureTestProblems(step, heldOut, job, hooks);
  const before = progress.step === 0 ? await measure(0) : ((await recordedTest(0, job)) ?? null);
  const done = await runTrainingJob({ job, model, method, progress, steps, timeLimit, schedule: settings, hooks });
  const after = await measure(done.step);
  const checkpoint = (await latestCheckpoint(dir))?.dir ?? '';
  return { run: configuration.name, dir, steps: done.step, seconds: done.seconds, before, after, checkpoint };
}

/** If an adapter's base is a checkpoint of another run, records in that run that this one needs it. */
async function keepBase(base: string, run: string): Promise<void> {
  const isCheckpoint = path.basename(path.dirname(base)) === path.basename(runFile(run).checkpoints);
  if (isCheckpoint) await keepAsBase(base, run);
}

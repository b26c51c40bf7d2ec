import path from 'node:path';
import { z } from 'zod';
import { checkDecoding } from '../diffusion/denoise.ts';
import { deviceMemory, sharesMemory } from '../engine/device-memory.ts';
import type { Engine } from '../engine/engine.ts';
import { defaultDecoding, givenTokens } from '../evaluation/answers.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import type { HostTensor } from '../graph/tensor.ts';
import { baseFolder, openCheckpoint, readModelConfig } from '../model/checkpoint.ts';
import { assertDenoises } from '../model/config.ts';
import { findModel } from '../model/find-model.ts';
import { readGeneration } from '../model/generation.ts';
import { LanguageModel } from '../model/language-model.ts';
import { Interrupted, UsageError, UserError } from '../platform/errors.ts';
import { packageVersion } from '../platform/package-root.ts';
import { Random } from '../platform/random.ts';
import { isHeldOut } from '../protocol/discovery.ts';
import type { Evaluation, StepEvent } from '../protocol/events.ts';
import type { Interval } from '../protocol/interval.ts';
import type { Json } from '../protocol/run.ts';
import { keepAsBase, latestCheckpoint } from '../runs/checkpoints.ts';
import { readConfiguration } from '../runs/directory.ts';
import { heedingStop } from '../runs/heeding-stop.ts';
import { runFile } from '../runs/layout.ts';
import { assertNotInUse } from '../runs/lock.ts';
import { evaluationsOf, readEvents } from '../runs/reader.ts';
import { RunWriter } from '../runs/writer.ts';
import { rewardAll } from '../tasks/grading.ts';
import { taskByName } from '../tasks/registry.ts';
import { readRowFile } from '../tasks/row-file.ts';
import type { Task } from '../tasks/task.ts';
import { assertFits, memoryNeed } from '../training/memory.ts';
import { trainingState } from '../training/trainer.ts';
import {
  freshProgress,
  readProgress,
  resumedState,
  runTrainingJob,
  type TrainingMethod,
  type TrainingProgress,
} from '../training/training-job.ts';
import { checkObjective, objectiveByName } from './objectives/registry.ts';
import { policyGradient, resolveSettings } from './policy-gradient.ts';
import { type FullTuningSettings, tuningSettings } from './settings.ts';
import { adapterOf, startingPoint } from './starting-point.ts';

/** What a tuning run is asked to do; all of it is kept in `run.json`, so that it can be resumed. */
export interface TuningRequest {
  readonly task: string;
  readonly objective: string;
  readonly model: string;
  readonly steps: number | null;
  readonly timeLimit: number | null;
  readonly seed: number;
  readonly settings: FullTuningSettings;
  /** Problems to train on, for tasks that make none themselves. */
  readonly data: string | null;
  /** Held-out problems on which the result is measured, before and after; 0: it is not. */
  readonly testProblems: number;
}

export interface TuningHooks {
  readonly signal?: AbortSignal | undefined;
  /** Sees what is found out before the run starts. */
  readonly onPrepare?: (line: string) => void;
  readonly onStart?: (run: RunWriter) => void;
  readonly onStep?: (event: StepEvent, eta: number | null) => void;
  readonly onEvaluation?: (step: number, evaluation: Evaluation) => void;
}

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
  const folder = await findModel(request.model);
  const memory = await checkMemory(engine, folder, request, hooks);
  const model = await begin(engine, folder, request);
  const { task, objective, seed, steps, settings, ...rest } = request;
  // What cannot work is found before a run directory is made.
  const prepared = await prepare(model, request);
  const run = await RunWriter.create(root, {
    kind: 'tune',
    task,
    model: folder,
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
    memory,
    versions: { unmask: packageVersion(), node: process.versions.node },
  });
  const base = await baseFolder(folder);
  const isCheckpoint = path.basename(path.dirname(base)) === path.basename(runFile(run.dir).checkpoints);
  if (settings.adapter === 'lora' && isCheckpoint) await keepAsBase(base, run.dir);
  return work({ run, model, request, prepared, progress: freshProgress, restored: new Map(), hooks });
}

/** Goes on with a run from its last checkpoint, on the same trajectory. */
export async function resumeTuning(engine: Engine, dir: string, hooks: TuningHooks = {}): Promise<TuningResult> {
  const configuration = await readConfiguration(dir);
  if (configuration.kind !== 'tune')
    throw new UsageError(
      `${dir} is a run of kind ${configuration.kind}, not a tuning run; resume it with the command that started it.`,
    );
  await assertNotInUse(dir);
  const { time_limit: timeLimit, data, test_problems: testProblems, ...given } = configuration.settings;
  const settings = tuningSettings.safeParse(given);
  if (!settings.success)
    throw new UserError(
      `${dir}/run.json holds the setting ${settings.error.issues[0]!.path.join('.')} that this version does not take; start a new run.`,
    );
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
  const folder = last?.dir ?? (await findModel(request.model));
  await checkMemory(engine, folder, request, hooks);
  const { progress, optimizer, method } = last
    ? await readProgress(last.dir)
    : { progress: freshProgress, optimizer: new Map(), method: new Map() };
  const model = await (last ? goOn(engine, folder, optimizer) : begin(engine, folder, request));
  const prepared = await prepare(model, request);
  const run = await RunWriter.resume(dir, progress.step);
  return work({ run, model, request, prepared, progress, restored: method, hooks });
}

/** The model that a run begins with. What was read of it is not held beyond here: an engine may keep it otherwise. */
async function begin(engine: Engine, folder: string, request: TuningRequest): Promise<LanguageModel> {
  const checkpoint = await startingPoint(engine, folder, request);
  return LanguageModel.load(engine, checkpoint, trainingState(checkpoint.config, checkpoint.adapter));
}

/** The model of a checkpoint from which a run goes on. */
async function goOn(
  engine: Engine,
  folder: string,
  optimizer: ReadonlyMap<string, HostTensor>,
): Promise<LanguageModel> {
  const checkpoint = await openCheckpoint(folder);
  return LanguageModel.load(engine, checkpoint, resumedState(checkpoint, optimizer));
}

/**
 * Says what a run will take of its device's memory, before any weight is read, and returns it in bytes. Throws a `UserError`
 * where it cannot fit.
 */
async function checkMemory(
  { name, device }: Engine,
  folder: string,
  { task, settings }: TuningRequest,
  { onPrepare }: TuningHooks,
): Promise<number> {
  const config = await readModelConfig(folder);
  assertDenoises(config);
  const adapter = await adapterOf(folder, config, settings);
  const generation = await readGeneration(await baseFolder(folder), config);
  const {
    settings: { length: answer },
  } = resolveSettings({ generation }, taskByName(task), settings, generation.prompt_format);
  const need = memoryNeed(config, {
    adapter: adapter ?? undefined,
    // Elsewhere a base in blocks is kept as the numbers that these stand for.
    precision: name === 'onnx' && device === 'cpu' ? (adapter?.precision ?? 'f32') : 'f32',
    // Prompts are not known yet; they are reckoned as long as what is written.
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
}

/** Finds the problems of a request and tries one out; throws where task, reward, data or model do not go together. */
async function prepare(
  model: LanguageModel,
  { task: name, objective, settings, data, steps, testProblems }: TuningRequest,
): Promise<Prepared> {
  const task = taskByName(name);
  const rows =
    data === null ? null : (await readRowFile(data, (record) => task.parse(record))).rows.map(({ row }) => row);
  const format = model.generation.prompt_format;
  if (!rows && !(task.generate && task.heldOut))
    throw new UsageError(`${name} makes no problems itself; give a file of them with --data.`);
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
  const room = model.config.max_position_embeddings - decoding.length;
  const given = (row: unknown) => givenTokens(model, task, row, format);
  // Of the held-out ones there is at least one. Those too long for the model are left out, unless all
  // are: then the first says by how much.
  const part = (which: 'held out' | 'training') => {
    const all = rows?.filter((_, index) => isHeldOut(index) === (which === 'held out'));
    const fitting = all?.filter((row) => given(row) <= room);
    return fitting?.length === 0 ? all : fitting;
  };
  const heldOut = part('held out');
  const training = rows && rows.length > 1 ? part('training') : rows;
  const generateOptions = { ...settings.task_options };
  const problem = training
    ? (random: Random) => random.pick(training)
    : (random: Random) => task.generate!(random, generateOptions);
  const probe = problem(new Random(0, 'probe'));
  await rewardAll(task, [{ row: probe, completion: '', reward: settings.reward ?? task.rewards[0] }], format);
  const prompt = task.prompt(probe, format);
  if (model.tokenizer.losesSomeOf(prompt))
    throw new UserError(`The model's tokenizer has no tokens for a prompt of ${name}; choose another model.`);
  model.checkLength(given(probe) + decoding.length);
  return {
    task,
    problem,
    validation: heldOut
      ? heldOut.slice(0, settings.evaluation_problems)
      : task.heldOut!('validation', settings.evaluation_problems, generateOptions),
    test:
      testProblems === 0
        ? []
        : heldOut
          ? heldOut.slice(0, testProblems)
          : task.heldOut!('test', testProblems, generateOptions),
  };
}

interface Work {
  readonly run: RunWriter;
  readonly model: LanguageModel;
  readonly request: TuningRequest;
  readonly prepared: Prepared;
  readonly progress: TrainingProgress;
  readonly restored: ReadonlyMap<string, HostTensor>;
  readonly hooks: TuningHooks;
}

async function work({ run, model, request, prepared, progress, restored, hooks }: Work): Promise<TuningResult> {
  const { steps, timeLimit, seed, settings } = request;
  const { task, problem, validation } = prepared;
  hooks.onStart?.(run);
  let method: TrainingMethod | undefined;
  try {
    const objective = objectiveByName(request.objective);
    method = policyGradient({ model, task, objective, settings, seed, steps, problem, validation, restored });
    const before = (await noted(0)) ?? (progress.step === 0 ? await measure(0) : null);
    const done = await runTrainingJob({
      run,
      model,
      method,
      progress,
      steps,
      timeLimit,
      evaluateEvery: settings.evaluate_every,
      checkpointEvery: settings.checkpoint_every,
      keepCheckpoints: settings.keep_checkpoints,
      ...hooks,
    });
    const after = (await noted(done.step)) ?? (await measure(done.step));
    const checkpoint = await latestCheckpoint(run.dir);
    const result: TuningResult = {
      run: run.configuration.name,
      dir: run.dir,
      steps: done.step,
      seconds: done.seconds,
      before,
      after,
      checkpoint: checkpoint?.dir ?? '',
    };
    await run.result(result);
    await run.close('finished');
    return result;
  } catch (error) {
    await run.close(error instanceof Interrupted ? 'interrupted' : 'failed', error);
    throw error;
  } finally {
    await method?.dispose?.();
    await model.dispose();
  }

  /** Measures the present weights on the test problems and notes it in the event log. */
  async function measure(step: number): Promise<Readonly<Record<string, Interval>> | null> {
    if (prepared.test.length === 0) return null;
    const format = model.generation.prompt_format;
    const { metrics, n, seconds } = await heedingStop(run, { step, signal: hooks.signal }, (checkCancelled) =>
      evaluate(model, task, prepared.test, {
        format,
        decoding: defaultDecoding(model, task, format),
        samples: 1,
        seed: 0,
        checkCancelled,
      }),
    );
    const evaluation: Evaluation = { task: task.name, split: 'test', n, metrics, seconds };
    await run.append({ step, time: Date.now() / 1000, evaluation });
    hooks.onEvaluation?.(step, evaluation);
    return metrics;
  }

  /** What the event log holds of the test problems at a step, where an earlier process measured them there. */
  async function noted(step: number) {
    const events = evaluationsOf(await readEvents(run.dir));
    return events.find((event) => event.step === step && event.evaluation.split === 'test')?.evaluation.metrics;
  }
}

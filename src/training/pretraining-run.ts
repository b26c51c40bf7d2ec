import { readdir } from 'node:fs/promises';
import { z } from 'zod';
import { publishModel } from '../catalogue/publish-model.ts';
import { resolveModel } from '../catalogue/resolve-model.ts';
import type { Engine } from '../engine/engine.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import { LanguageModel } from '../model/language-model.ts';
import { Interrupted, UsageError, UserError } from '../platform/errors.ts';
import { packageVersion } from '../platform/package-root.ts';
import { Random } from '../platform/random.ts';
import type { Evaluation, StepEvent } from '../protocol/events.ts';
import type { Interval } from '../protocol/interval.ts';
import type { Json } from '../protocol/run.ts';
import { latestCheckpoint } from '../runs/checkpoints.ts';
import { readConfiguration } from '../runs/directory.ts';
import { assertNotInUse } from '../runs/lock.ts';
import { evaluationsOf, readEvents } from '../runs/reader.ts';
import { RunWriter } from '../runs/writer.ts';
import { memoryNeed } from './memory.ts';
import { modelCard } from './model-card.ts';
import {
  assertCanBeginWith,
  newModel,
  type PretrainingRequest,
  type PretrainingSettings,
  pretraining,
  pretrainingSettings,
} from './pretrain.ts';
import type { Curriculum, Recipe } from './recipe.ts';
import { recipeByName } from './recipes.ts';
import { freshProgress, readProgress, resumedState, runTrainingJob, type TrainingProgress } from './training-job.ts';

export interface PretrainingHooks {
  /** Sees what is done before the training starts. */
  readonly onPrepare?: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  readonly onStart?: (run: RunWriter) => void;
  readonly onStep?: (event: StepEvent, eta: number | null) => void;
  readonly onEvaluation?: (step: number, evaluation: Evaluation) => void;
}

/** What `unmask pretrain` prints. */
export interface PretrainingResult {
  readonly model: string;
  readonly run: string;
  readonly steps: number;
  readonly seconds: number;
  readonly metrics: Readonly<Record<string, Interval>>;
}

/** Trains a base model, in a new run directory under `root`, and leaves it with its card in `output`. */
export async function startPretraining(
  engine: Engine,
  root: string,
  request: PretrainingRequest,
  hooks: PretrainingHooks = {},
): Promise<PretrainingResult> {
  const recipe = recipeByName(request.recipe);
  await assertFree(request.output);
  const from = request.from === null ? null : await resolveModel(request.from);
  if (from) assertCanBeginWith(from, recipe, request.settings);
  const curriculum = await prepare(recipe, hooks);
  const model = await newModel(engine, recipe, curriculum, { ...request, from });
  const run = await RunWriter.create(root, {
    kind: 'pretrain',
    task: recipe.name,
    model: from?.name ?? null,
    objective: null,
    seed: request.seed,
    steps: request.steps,
    settings: { ...(request.settings as PretrainingSettings & Record<string, Json>), output: request.output },
    device: { engine: engine.name, device: engine.device },
    memory: memoryOf(model, curriculum, request),
    versions: { unmask: packageVersion(), node: process.versions.node },
  });
  return work({ run, model, curriculum, request, progress: freshProgress, hooks });
}

/**
 * Goes on with a pretraining run from its last checkpoint, on the same trajectory; with other `steps`, on that of a
 * learning rate that falls until then.
 */
export async function resumePretraining(
  engine: Engine,
  dir: string,
  hooks: PretrainingHooks = {},
  steps?: number,
): Promise<PretrainingResult> {
  const configuration = await readConfiguration(dir);
  if (configuration.kind !== 'pretrain')
    throw new UsageError(
      `${dir} is a run of kind ${configuration.kind}, not a pretraining run; resume it with the command that started it.`,
    );
  await assertNotInUse(dir);
  const { output, ...given } = configuration.settings;
  const settings = pretrainingSettings.safeParse(given);
  if (!settings.success)
    throw new UserError(
      `${dir}/run.json holds the setting ${settings.error.issues[0]!.path.join('.')} that this version does not take; start a new run.`,
    );
  const request: PretrainingRequest = {
    recipe: configuration.task as string,
    from: configuration.model,
    output: z.string().parse(output),
    steps: steps ?? (configuration.steps as number),
    seed: configuration.seed,
    settings: settings.data,
  };
  await assertFree(request.output);
  const recipe = recipeByName(request.recipe);
  const curriculum = await prepare(recipe, hooks);
  const last = await latestCheckpoint(dir);
  if (steps !== undefined && steps < (last?.step ?? 0))
    throw new UsageError(`${dir} stands after step ${last?.step} already; give --steps a larger number.`);
  if (last === null) {
    const from = request.from === null ? null : await resolveModel(request.from);
    const model = await newModel(engine, recipe, curriculum, { ...request, from });
    return work({
      run: await RunWriter.resume(dir, 0, steps),
      model,
      curriculum,
      request,
      progress: freshProgress,
      hooks,
    });
  }
  const checkpoint = await openCheckpoint(await resolveModel(last.dir));
  const { progress, optimizer } = await readProgress(last.dir);
  const model = await LanguageModel.load(engine, checkpoint, resumedState(checkpoint, optimizer));
  return work({ run: await RunWriter.resume(dir, progress.step, steps), model, curriculum, request, progress, hooks });
}

/** Kinds of batches come in turn; after so many steps all of them have come. */
const turnOfKinds = 8;

/** Bytes that the training takes, about, by the largest batch of its first steps. */
function memoryOf({ config }: LanguageModel, curriculum: Curriculum, { settings, seed }: PretrainingRequest): number {
  const needs = Array.from({ length: turnOfKinds }, (_, step) =>
    curriculum.examples(step + 1, settings.batch_size, new Random(seed, 'memory', step)).map((batch) => {
      const length = Math.max(...batch.map(({ tokens }) => tokens.length));
      return memoryNeed(config, { precision: 'f32', row: { length, answer: length }, rows: batch.length }).about;
    }),
  );
  return Math.max(...needs.flat());
}

interface Work {
  readonly run: RunWriter;
  readonly model: LanguageModel;
  readonly curriculum: Curriculum;
  readonly request: PretrainingRequest;
  readonly progress: TrainingProgress;
  readonly hooks: PretrainingHooks;
}

async function work({ run, model, curriculum, request, progress, hooks }: Work): Promise<PretrainingResult> {
  const { settings, steps, seed } = request;
  const recipe = recipeByName(request.recipe);
  hooks.onStart?.(run);
  try {
    const done = await runTrainingJob({
      run,
      model,
      method: pretraining(model, curriculum, settings, { steps, seed }),
      progress,
      steps,
      timeLimit: null,
      evaluateEvery: settings.evaluate_every,
      checkpointEvery: settings.checkpoint_every,
      keepCheckpoints: settings.keep_checkpoints,
      ...hooks,
    });
    const last = evaluationsOf(await readEvents(run.dir)).at(-1)!.evaluation;
    const result: PretrainingResult = {
      model: request.output,
      run: run.dir,
      steps: done.step,
      seconds: done.seconds,
      metrics: last.metrics,
    };
    await publishModel(
      (await latestCheckpoint(run.dir))!.dir,
      request.output,
      modelCard({
        recipe,
        curriculum,
        request,
        model: model.config,
        done,
        evaluation: last,
        configuration: run.configuration,
      }),
    );
    await run.result(result);
    await run.close('finished');
    return result;
  } catch (error) {
    await run.close(error instanceof Interrupted ? 'interrupted' : 'failed', error);
    throw error;
  } finally {
    await model.dispose();
  }
}

const prepare = (recipe: Recipe, { onPrepare, signal }: PretrainingHooks): Promise<Curriculum> =>
  recipe.prepare({ progress: onPrepare ?? (() => undefined), signal });

async function assertFree(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  if (names.length > 0)
    throw new UsageError(`${folder} is not empty; choose another folder for the model, or remove it.`);
}

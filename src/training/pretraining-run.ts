import { readdir } from 'node:fs/promises';
import { z } from 'zod';
import { publishModel } from '../catalogue/publish-model.ts';
import { resolveModel } from '../catalogue/resolve-model.ts';
import type { Engine } from '../engine/engine.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import { LanguageModel } from '../model/language-model.ts';
import { UsageError } from '../platform/errors.ts';
import { packageVersion } from '../platform/package-root.ts';
import { Random } from '../platform/random.ts';
import type { Interval } from '../protocol/interval.ts';
import type { Json } from '../protocol/run.ts';
import { latestCheckpoint } from '../runs/checkpoints.ts';
import { evaluationsOf, readEvents } from '../runs/reader.ts';
import { type JobLocation, readResumable, refuseSetting, runJob } from '../runs/run-job.ts';
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
import { freshProgress, readProgress, resumedState, type TrainingProgress } from './training-checkpoint.ts';
import { runTrainingJob, type TrainingHooks } from './training-job.ts';

export type PretrainingHooks = TrainingHooks;

/** The result that `unmask pretrain` prints. */
export interface PretrainingResult {
  readonly model: string;
  readonly run: string;
  readonly steps: number;
  readonly seconds: number;
  readonly metrics: Readonly<Record<string, Interval>>;
}

/** Trains a base model in a new run directory under `root`, and writes the model and its card to `output`. */
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
  const run = {
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
  } as const;
  return runPretraining({ location: { root, run }, model, curriculum, request, progress: freshProgress, hooks });
}

/**
 * Continues a pretraining run from its last checkpoint, on the same trajectory. If `steps` differs, the learning rate
 * falls until the new last step instead.
 */
export async function resumePretraining(
  engine: Engine,
  dir: string,
  hooks: PretrainingHooks = {},
  steps?: number,
): Promise<PretrainingResult> {
  const configuration = await readResumable(dir, 'pretrain');
  const { output, ...recorded } = configuration.settings;
  const settings = pretrainingSettings.safeParse(recorded);
  if (!settings.success) refuseSetting(dir, settings.error.issues[0]!.path.join('.'));
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
    throw new UsageError(`${dir} has made ${last?.step} steps already; give --steps a larger number.`);
  const { model, progress } = await resumedModel(engine, recipe, curriculum, request, last?.dir ?? null);
  return runPretraining({ location: { dir, step: progress.step, steps }, model, curriculum, request, progress, hooks });
}

/** The model of a checkpoint, ready for further training; if there is none, the model that the run began with. */
async function resumedModel(
  engine: Engine,
  recipe: Recipe,
  curriculum: Curriculum,
  request: PretrainingRequest,
  last: string | null,
): Promise<{ model: LanguageModel; progress: TrainingProgress }> {
  if (last === null) {
    const from = request.from === null ? null : await resolveModel(request.from);
    return { model: await newModel(engine, recipe, curriculum, { ...request, from }), progress: freshProgress };
  }
  const checkpoint = await openCheckpoint(await resolveModel(last));
  const { progress, optimizer } = await readProgress(last);
  return { model: await LanguageModel.load(engine, checkpoint, resumedState(checkpoint, optimizer)), progress };
}

/** Number of steps after which every kind of batch has occurred, because kinds alternate. */
const turnOfKinds = 8;

/** Approximate memory of training in bytes, from the largest batch of its first steps. */
function memoryOf({ config }: LanguageModel, curriculum: Curriculum, { settings, seed }: PretrainingRequest): number {
  const needs = Array.from({ length: turnOfKinds }, (_, step) =>
    curriculum.examples(step + 1, settings.batch_size, new Random(seed, 'memory', step)).map((batch) => {
      const length = Math.max(...batch.map(({ tokens }) => tokens.length));
      return memoryNeed(config, { precision: 'f32', row: { length, answer: length }, rows: batch.length }).about;
    }),
  );
  return Math.max(...needs.flat());
}

interface PretrainingJob {
  readonly location: JobLocation;
  readonly model: LanguageModel;
  readonly curriculum: Curriculum;
  readonly request: PretrainingRequest;
  readonly progress: TrainingProgress;
  readonly hooks: PretrainingHooks;
}

function runPretraining(pretrainingJob: PretrainingJob): Promise<PretrainingResult> {
  const { location, model, curriculum, request, progress, hooks } = pretrainingJob;
  const { settings, steps, seed } = request;
  const recipe = recipeByName(request.recipe);
  const method = pretraining(model, curriculum, settings, { steps, seed });
  return runJob({
    location,
    hooks,
    async work(job) {
      const done = await runTrainingJob({
        job,
        model,
        method,
        progress,
        steps,
        timeLimit: null,
        schedule: settings,
        hooks,
      });
      const { dir, configuration } = job.run;
      const { evaluation } = evaluationsOf(await readEvents(dir)).at(-1)!;
      const card = modelCard({ recipe, curriculum, request, model: model.config, done, evaluation, configuration });
      await publishModel((await latestCheckpoint(dir))!.dir, request.output, card);
      return {
        model: request.output,
        run: dir,
        steps: done.step,
        seconds: done.seconds,
        metrics: evaluation.metrics,
      };
    },
    async dispose() {
      await method.dispose?.();
      await model.dispose();
    },
  });
}

const prepare = (recipe: Recipe, { onPrepare, signal }: PretrainingHooks): Promise<Curriculum> =>
  recipe.prepare({ progress: onPrepare ?? (() => undefined), signal });

async function assertFree(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  if (names.length > 0)
    throw new UsageError(`${folder} is not empty; choose another folder for the model, or remove it.`);
}

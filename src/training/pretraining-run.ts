import { z } from 'zod';
import { resolveModel } from '../catalogue/resolve-model.ts';
import type { Engine } from '../engine/engine.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { packageVersion } from '../platform/package-root.ts';
import { Random } from '../platform/random.ts';
import type { Json } from '../protocol/run.ts';
import { type JobLocation, readResumable, refuseSetting } from '../runs/run-job.ts';
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
import {
  assertFree,
  findContinuation,
  loadForTraining,
  type PretrainingResult,
  trainAndPublish,
} from './publishing-run.ts';
import type { Curriculum, Recipe } from './recipe.ts';
import { recipeByName } from './recipes.ts';
import { freshProgress, type TrainingProgress } from './training-checkpoint.ts';
import type { TrainingHooks } from './training-job.ts';

/** Trains a base model in a new run directory under `root`, and writes the model and its card to `output`. */
export async function startPretraining(
  engine: Engine,
  root: string,
  request: PretrainingRequest,
  hooks: TrainingHooks = {},
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
  hooks: TrainingHooks = {},
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
  const { checkpoint, notes } = await findContinuation(dir, steps, hooks);
  const { model, progress } =
    checkpoint === null
      ? { model: await freshModel(engine, recipe, curriculum, request), progress: freshProgress }
      : await loadForTraining(engine, checkpoint);
  return runPretraining({
    location: { dir, step: progress.step, steps, notes },
    model,
    curriculum,
    request,
    progress,
    hooks,
  });
}

/** The model that a run begins with. */
async function freshModel(
  engine: Engine,
  recipe: Recipe,
  curriculum: Curriculum,
  request: PretrainingRequest,
): Promise<LanguageModel> {
  const from = request.from === null ? null : await resolveModel(request.from);
  return newModel(engine, recipe, curriculum, { ...request, from });
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
  readonly hooks: TrainingHooks;
}

function runPretraining(pretrainingJob: PretrainingJob): Promise<PretrainingResult> {
  const { location, model, curriculum, request, progress, hooks } = pretrainingJob;
  const { settings, steps, seed } = request;
  const recipe = recipeByName(request.recipe);
  return trainAndPublish({
    location,
    model,
    method: pretraining(model, curriculum, settings, { steps, seed }),
    progress,
    steps,
    schedule: settings,
    hooks,
    output: request.output,
    card: (finished) => modelCard({ ...finished, recipe, curriculum, request, model: model.config }),
  });
}

const prepare = (recipe: Recipe, { onPrepare, signal }: TrainingHooks): Promise<Curriculum> =>
  recipe.prepare({ progress: onPrepare ?? (() => undefined), signal });

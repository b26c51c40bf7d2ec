import type { Engine } from '../engine/engine.ts';
import { type openBase, openCheckpoint } from './checkpoint.ts';
import { LanguageModel } from './language-model.ts';
import type { Adapter } from './lora.ts';
import { MergedWeights } from './merge-adapter.ts';
import type { ResolvedModel } from './resolved-model.ts';
import { readServingPrecision, type ServingPrecision } from './serving-precision.ts';
import { cachedWeights } from './weight-cache.ts';

type Base = Awaited<ReturnType<typeof openBase>>;

/** The precision in which a model is served on an engine: that of its adapter's base, or the one that a check chose. */
async function precisionOf({ base, precision }: ResolvedModel, engine: Engine): Promise<ServingPrecision> {
  return precision === 'f32' && engine.keepsQuantized ? readServingPrecision(base) : { precision };
}

/** Loads the base of a model to serve it. `warn` receives one sentence if its weights cannot be cached. */
export async function loadServedBase(
  engine: Engine,
  model: ResolvedModel,
  checkpoint: Base,
  warn?: (sentence: string) => void,
): Promise<LanguageModel> {
  const form = await precisionOf(model, engine);
  return LanguageModel.loadFrozen(engine, checkpoint, form.precision, {
    smoothing: form.smoothing,
    file: await cachedWeights(model.base, form, { onFailure: warn }),
  });
}

/**
 * Whether the adapter of a model is merged into its base when it is served, which makes each pass faster: if the base is quantized
 * only to serve it, and the model is bundled or installed. Adapters of runs are served beside their base, because they change often.
 */
export async function isServedMerged(engine: Engine, model: ResolvedModel): Promise<boolean> {
  const { adapter, name, folder } = model;
  if (!adapter || name === folder || adapter.base.precision !== 'f32') return false;
  return (await precisionOf(model, engine)).precision !== 'f32';
}

/** Loads a model to serve it with its adapter merged into the base. `warn` is as in `loadServedBase`. */
export async function loadMerged(
  engine: Engine,
  model: ResolvedModel,
  checkpoint: Base,
  adapter: Adapter,
  warn?: (sentence: string) => void,
): Promise<LanguageModel> {
  const form = await precisionOf(model, engine);
  const weights = new MergedWeights(engine, checkpoint, adapter);
  try {
    return await LanguageModel.loadFrozen(engine, { ...checkpoint, weights }, form.precision, {
      smoothing: form.smoothing,
      file: await cachedWeights(model.base, form, { adapter: model.folder, onFailure: warn }),
    });
  } finally {
    await weights.dispose();
  }
}

/**
 * Loads a model to generate text once: in the precision in which it is served if that is not f32, so that results are those of
 * the editor. `warn` is as in `loadServedBase`.
 */
export async function loadForInference(
  engine: Engine,
  model: ResolvedModel,
  warn?: (sentence: string) => void,
): Promise<LanguageModel> {
  const { adapter, ...checkpoint } = await openCheckpoint(model);
  // In f32, rows are computed in batches, which takes less time for small models.
  if ((await precisionOf(model, engine)).precision === 'f32')
    return LanguageModel.load(engine, { ...checkpoint, ...(adapter ? { adapter } : {}) });
  if (adapter && (await isServedMerged(engine, model))) return loadMerged(engine, model, checkpoint, adapter, warn);
  const base = await loadServedBase(engine, model, checkpoint, warn);
  return adapter ? base.withAdapter(adapter, { ownsBase: true }) : base;
}

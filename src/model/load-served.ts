import type { Engine } from '../engine/engine.ts';
import { type openBase, openCheckpoint } from './checkpoint.ts';
import { LanguageModel } from './language-model.ts';
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
    file: await cachedWeights(model.base, form, warn),
  });
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
  const base = await loadServedBase(engine, model, checkpoint, warn);
  return adapter ? base.withAdapter(adapter, { ownsBase: true }) : base;
}

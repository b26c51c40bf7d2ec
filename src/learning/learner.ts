import type { Engine } from '../engine/engine.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import type { ModelConfig } from '../model/config.ts';
import { LanguageModel } from '../model/language-model.ts';
import { initialLora, type LoraShape, largestRank, loraTargets } from '../model/lora.ts';
import { parametersOf } from '../model/memory.ts';
import type { Precision } from '../model/precision.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import { Random } from '../platform/random.ts';
import { trainingState } from '../training/trainer.ts';
import type { LearningSettings } from './settings.ts';

/** The adapter that a large model learns, and the precision of its frozen base; null: a small model learns all weights. */
export function trainedPart(
  config: ModelConfig,
  { adapter_above, lora_r }: Pick<LearningSettings, 'adapter_above' | 'lora_r'>,
  isCpu: boolean,
): { readonly shape: LoraShape; readonly precision: Precision } | null {
  if (parametersOf(config) <= adapter_above) return null;
  const rank = Math.min(lora_r, largestRank(config, loraTargets));
  // Other devices store a quantised base dequantised.
  return { shape: { rank, alpha: rank, targets: loraTargets }, precision: isCpu ? 'int8' : 'f32' };
}

/** The model that learns: all weights of a small model, a new adapter of a large one, or the adapter that the model has. */
export async function learnerOf(
  engine: Engine,
  base: ResolvedModel,
  { settings, seed }: { readonly settings: LearningSettings; readonly seed: number },
): Promise<LanguageModel> {
  const checkpoint = await openCheckpoint(base);
  const { config, adapter } = checkpoint;
  const part = trainedPart(config, settings, engine.name === 'onnx' && engine.device === 'cpu');
  if (adapter || !part) return LanguageModel.load(engine, checkpoint, trainingState(config, adapter));
  const { shape, precision } = part;
  const fresh = {
    ...shape,
    weights: initialLora(config, shape, new Random(seed, 'adapter')),
    base: { name: base.name, digest: await base.baseDigest(), precision },
  };
  return LanguageModel.load(engine, { ...checkpoint, adapter: fresh }, trainingState(config, fresh));
}

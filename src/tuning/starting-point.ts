import type { Engine } from '../engine/engine.ts';
import type { HostTensor, TensorSource } from '../graph/tensor.ts';
import { type Checkpoint, inMemory, openCheckpoint } from '../model/checkpoint.ts';
import type { ModelConfig } from '../model/config.ts';
import {
  type AdapterConfig,
  initialLora,
  type LoraShape,
  largestRank,
  loraTargets,
  parseTargets,
} from '../model/lora.ts';
import { mergeAdapter } from '../model/merge-adapter.ts';
import { type Precision, quantizedWeights } from '../model/precision.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import { UsageError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import type { FullTuningSettings } from './settings.ts';

/** The settings that determine which weights are trained. */
type AdapterSettings = Pick<FullTuningSettings, 'adapter' | (typeof adapterSettings)[number]>;

const adapterSettings = ['lora_r', 'lora_alpha', 'lora_target_modules', 'base_precision'] as const;

/** SPG's rank and alpha (arXiv 2510.09541, hyper-parameters): 128 and 64, on all seven projections. */
const paperAdapter = { rank: 128, alphaPerRank: 0.5 };

/**
 * The adapter that a run on `model` trains, according to its settings; null: the run trains all weights.
 *
 * @throws UsageError that names the setting that is invalid for the model
 */
export function adapterOf(
  { config, adapter, precision: current }: ResolvedModel,
  settings: AdapterSettings,
): (LoraShape & { readonly precision: Precision }) | null {
  checkSettings(settings);
  if (settings.adapter === 'none') return null;
  if (adapter) {
    assertSameAdapter(settings, adapter);
    return { ...adapter, precision: current };
  }
  const precision = settings.base_precision ?? 'f32';
  quantizedWeights(config, precision);
  return { ...loraOf(settings, config), precision };
}

/**
 * The initial weights of a tuning run on `model`. A run that trains an adapter continues the model's own adapter, or
 * starts a new one that has no effect yet. A run that trains all weights merges the model's adapter into its base.
 */
export async function startingPoint(
  engine: Engine,
  model: ResolvedModel,
  { seed, settings }: { readonly seed: number; readonly settings: AdapterSettings },
): Promise<Checkpoint<ReadonlyMap<string, HostTensor> | TensorSource>> {
  const trained = adapterOf(model, settings);
  const checkpoint = await openCheckpoint(model);
  const { adapter } = checkpoint;
  if (!trained) return adapter ? mergeAdapter(engine, await inMemory(checkpoint)) : checkpoint;
  const digest = adapter?.base.digest ?? (await model.baseDigest());
  if (adapter) return { ...checkpoint, adapter: { ...adapter, base: { ...adapter.base, digest } } };
  const { precision, ...shape } = trained;
  const weights = initialLora(checkpoint.config, shape, new Random(seed, 'adapter'));
  return { ...checkpoint, adapter: { ...shape, weights, base: { name: model.name, digest, precision } } };
}

function checkSettings(settings: AdapterSettings): void {
  if (settings.adapter !== 'none') return;
  for (const name of adapterSettings)
    if (settings[name] !== null)
      throw new UsageError(`Setting ${name} needs an adapter, but this run trains all weights; add adapter=lora.`);
}

/** The adapter that the settings describe, with defaults for missing values. */
function loraOf(settings: AdapterSettings, config: ModelConfig): LoraShape {
  const targets = targetsOf(settings) ?? loraTargets;
  const maxRank = largestRank(config, targets);
  const rank = settings.lora_r ?? Math.min(paperAdapter.rank, maxRank);
  if (rank > maxRank)
    throw new UsageError(
      `Setting lora_r = ${rank} is larger than ${maxRank}, the rank of the smallest projection; set at most ${maxRank}.`,
    );
  return { rank, alpha: settings.lora_alpha ?? paperAdapter.alphaPerRank * rank, targets };
}

/** Throws if the settings describe an adapter that differs from the model's. */
function assertSameAdapter(settings: AdapterSettings, { rank, alpha, targets, base }: AdapterConfig): void {
  const requested = { ...settings, lora_target_modules: targetsOf(settings) };
  const current = { lora_r: rank, lora_alpha: alpha, lora_target_modules: targets, base_precision: base.precision };
  for (const [name, existing] of Object.entries(current)) {
    const value = requested[name as keyof typeof current];
    if (value !== null && String(value) !== String(existing))
      throw new UsageError(
        `Setting ${name} = ${value}: the model's adapter has ${existing}; leave the setting out, or start from the base.`,
      );
  }
}

function targetsOf({ lora_target_modules: requested }: AdapterSettings) {
  if (requested === null) return null;
  const names = typeof requested === 'string' ? requested.split(',').map((name) => name.trim()) : requested;
  return parseTargets(names, (why) => new UsageError(`Setting lora_target_modules: ${why}`));
}

import type { Engine } from '../engine/engine.ts';
import type { HostTensor, TensorSource } from '../graph/tensor.ts';
import { isAdapter, readAdapter } from '../model/adapter-folder.ts';
import {
  baseFolder,
  type Checkpoint,
  openCheckpoint,
  readCheckpoint,
  readModelConfig,
  weightsDigest,
} from '../model/checkpoint.ts';
import type { ModelConfig } from '../model/config.ts';
import { modelName } from '../model/find-model.ts';
import { type Adapter, initialLora, type LoraShape, largestRank, loraTargets, parseTargets } from '../model/lora.ts';
import { mergeAdapter } from '../model/merge-adapter.ts';
import { type Precision, quantizedWeights } from '../model/precision.ts';
import { UsageError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import type { FullTuningSettings } from './settings.ts';

/** The settings that say what is trained. */
type AdapterSettings = Pick<FullTuningSettings, 'adapter' | (typeof ofAdapters)[number]>;

const ofAdapters = ['lora_r', 'lora_alpha', 'lora_target_modules', 'base_precision'] as const;

/** SPG's rank and alpha (arXiv 2510.09541, hyper-parameters): 128 and 64, beside all seven projections. */
const paper = { rank: 128, alphaPerRank: 0.5 };

/**
 * The adapter that a run on the model in `folder` is to train, as the settings and the model describe it; null: all weights
 * are trained. Throws a `UsageError` that names the setting which does not fit the model.
 */
export async function adapterOf(
  folder: string,
  config: ModelConfig,
  settings: AdapterSettings,
): Promise<(LoraShape & { readonly precision: Precision }) | null> {
  checkSettings(settings);
  if (settings.adapter === 'none') return null;
  if (await isAdapter(folder)) {
    const given = await readAdapter(folder, config);
    agree(settings, given);
    return { ...given, precision: given.base.precision };
  }
  const precision = settings.base_precision ?? 'f32';
  quantizedWeights(config, precision);
  return { ...loraOf(settings, config), precision };
}

/**
 * The weights that a tuning run begins with: those in `folder`, with an adapter that changes nothing yet where one is to be
 * trained. An adapter in `folder` is trained on, or merged into its base where all weights are to be trained.
 */
export async function startingPoint(
  engine: Engine,
  folder: string,
  { seed, settings }: { readonly seed: number; readonly settings: AdapterSettings },
): Promise<Checkpoint<ReadonlyMap<string, HostTensor> | TensorSource>> {
  const wanted = await adapterOf(folder, await readModelConfig(folder), settings);
  const checkpoint = await openCheckpoint(folder);
  const given = checkpoint.adapter;
  if (!wanted) return given ? mergeAdapter(engine, await readCheckpoint(folder)) : checkpoint;
  const digest = given?.base.digest ?? (await weightsDigest(await baseFolder(folder)));
  if (given) return { ...checkpoint, adapter: { ...given, base: { ...given.base, digest } } };
  const { precision, ...shape } = wanted;
  const weights = initialLora(checkpoint.config, shape, new Random(seed, 'adapter'));
  return { ...checkpoint, adapter: { ...shape, weights, base: { name: modelName(folder), digest, precision } } };
}

function checkSettings(settings: AdapterSettings): void {
  if (settings.adapter !== 'none') return;
  for (const name of ofAdapters)
    if (settings[name] !== null)
      throw new UsageError(`Setting ${name} is of an adapter, and all weights are trained; add adapter=lora.`);
}

/** The adapter that the settings ask for, their gaps filled in. */
function loraOf(settings: AdapterSettings, config: ModelConfig): LoraShape {
  const targets = targetsOf(settings) ?? loraTargets;
  const most = largestRank(config, targets);
  const rank = settings.lora_r ?? Math.min(paper.rank, most);
  if (rank > most)
    throw new UsageError(
      `Setting lora_r = ${rank}: the smallest of the projections' matrices has rank ${most}; give at most that.`,
    );
  return { rank, alpha: settings.lora_alpha ?? paper.alphaPerRank * rank, targets };
}

/** Throws where the settings ask for another adapter than the one that is tuned on. */
function agree(settings: AdapterSettings, { rank, alpha, targets, base }: Adapter): void {
  const wished = { ...settings, lora_target_modules: targetsOf(settings) };
  const own = { lora_r: rank, lora_alpha: alpha, lora_target_modules: targets, base_precision: base.precision };
  for (const [name, value] of Object.entries(own)) {
    const wish = wished[name as keyof typeof own];
    if (wish !== null && String(wish) !== String(value))
      throw new UsageError(
        `Setting ${name} = ${wish}: the adapter that is tuned on has ${value}; leave the setting out, or begin with the base.`,
      );
  }
}

function targetsOf({ lora_target_modules: given }: AdapterSettings) {
  if (given === null) return null;
  const names = typeof given === 'string' ? given.split(',').map((name) => name.trim()) : given;
  return parseTargets(names, (why) => new UsageError(`Setting lora_target_modules: ${why}`));
}

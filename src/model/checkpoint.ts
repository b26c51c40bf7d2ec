import path from 'node:path';
import type { HostTensor, TensorSource } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import { writeJson } from '../platform/files.ts';
import { assertUndamaged } from '../platform/folder-digests.ts';
import { readAdapter } from './adapter-folder.ts';
import type { ModelConfig } from './config.ts';
import type { GenerationDefaults } from './generation.ts';
import type { Adapter } from './lora.ts';
import { assertMemory, keptBytes } from './memory.ts';
import type { ResolvedModel } from './resolved-model.ts';
import { type SafetensorsOptions, writeSafetensors } from './safetensors.ts';
import { openWeights } from './stored-weights.ts';
import { Tokenizer, type TokenizerFiles } from './tokenizer.ts';

/** The contents of a model folder in Hugging Face's layout (`config.json`, `model.safetensors`, `tokenizer.json`, …). */
export interface Checkpoint<Weights = Map<string, HostTensor>> {
  readonly config: ModelConfig;
  readonly weights: Weights;
  readonly tokenizer: Tokenizer;
  readonly generation: GenerationDefaults;
  /** If there is an adapter, `weights` are its frozen base. */
  readonly adapter?: Adapter | undefined;
}

/** Files of a run's checkpoint that only training reads. Damage to them does not change what the model computes. */
const trainingFiles = ['optimizer.safetensors', 'method.safetensors', 'state.json'];

/**
 * Opens a model: reads its tokenizer and its adapter. Full weights are read later, one tensor at a time, so damaged values
 * are found only then, unless the folder has digests (`folder-digests.ts`).
 *
 * @throws UserError that names the file which is missing, cut off, not supported, or different from its digest
 */
export async function openCheckpoint(model: ResolvedModel): Promise<Checkpoint<TensorSource>> {
  const checkpoint = await openBase(model);
  const adapter = await openAdapter(model);
  return adapter ? { ...checkpoint, adapter } : checkpoint;
}

/** Opens the full weights of a model, without its adapter. */
export async function openBase({
  base,
  config,
  architecture,
  generation,
}: ResolvedModel): Promise<Checkpoint<TensorSource>> {
  await assertUndamaged(base, trainingFiles);
  const tokenizer = await Tokenizer.read(base);
  if (tokenizer.largestId >= config.vocab_size)
    throw new UserError(
      `${path.join(base, 'tokenizer.json')} has token ids up to ${tokenizer.largestId}, but config.json has a vocabulary of ${config.vocab_size}; restore both files from one checkpoint.`,
    );
  const weights = await openWeights(base, { config, architecture });
  return { config, weights, tokenizer, generation };
}

/**
 * Reads the adapter of a model; null if the model has full weights.
 *
 * @param baseDigest the digest of the weights in `model.base`
 * @throws UserError if the adapter was trained on other weights than those in `model.base`
 */
export async function openAdapter(model: ResolvedModel, baseDigest = model.baseDigest): Promise<Adapter | null> {
  const { folder, base, config, adapter } = model;
  if (!adapter) return null;
  await assertUndamaged(folder, trainingFiles);
  const read = await readAdapter(folder, adapter, config);
  if (adapter.base.digest !== null && adapter.base.digest !== (await baseDigest()))
    throw new UserError(
      `The adapter in ${folder} was trained on other weights than those in ${base}; restore those weights, or set base_model_name_or_path in its adapter_config.json to the right folder.`,
    );
  return read;
}

/** `openCheckpoint` with the weights in memory. */
export const readCheckpoint = async (model: ResolvedModel): Promise<Checkpoint> =>
  inMemory(await openCheckpoint(model));

/** Reads the weights of an opened checkpoint into memory; throws a `UserError` if this machine has too little memory. */
export async function inMemory(opened: Checkpoint<TensorSource>): Promise<Checkpoint> {
  assertMemory(keptBytes(opened.weights.shapes));
  const weights = new Map<string, HostTensor>();
  for (const name of opened.weights.shapes.keys()) weights.set(name, await opened.weights.read(name));
  return { ...opened, weights };
}

/** Writes a checkpoint folder. `config.json` is written last, so a folder that has it is complete. */
export async function writeCheckpoint(
  folder: string,
  {
    config,
    weights,
    tokenizer,
    generation,
  }: {
    readonly config: ModelConfig;
    readonly weights: ReadonlyMap<string, HostTensor> | TensorSource;
    readonly tokenizer: { readonly files: TokenizerFiles };
    readonly generation: GenerationDefaults;
  },
  options: Pick<SafetensorsOptions, 'floats'> = {},
): Promise<void> {
  await writeSafetensors(path.join(folder, 'model.safetensors'), weights, options);
  await writeJson(path.join(folder, 'tokenizer.json'), tokenizer.files.tokenizer);
  await writeJson(path.join(folder, 'tokenizer_config.json'), tokenizer.files.config);
  await writeJson(path.join(folder, 'generation_config.json'), generation);
  await writeJson(path.join(folder, 'config.json'), config);
}

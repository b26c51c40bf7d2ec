import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { HostTensor, TensorSource } from '../graph/tensor.ts';
import { messageOf, UserError } from '../platform/errors.ts';
import { writeJson } from '../platform/files.ts';
import { adapterFiles, isAdapter, readAdapter, readAdapterBase } from './adapter-folder.ts';
import { inFolder } from './architectures/description.ts';
import { readConfig } from './architectures/read-config.ts';
import type { ModelConfig } from './config.ts';
import { findModel } from './find-model.ts';
import { type GenerationDefaults, readGeneration } from './generation.ts';
import type { Adapter } from './lora.ts';
import { assertMemory, keptBytes } from './memory.ts';
import { type SafetensorsOptions, writeSafetensors } from './safetensors.ts';
import { openWeights, weightFiles } from './stored-weights.ts';
import { Tokenizer, type TokenizerFiles } from './tokenizer.ts';

/** A model at rest: a folder in Hugging Face's layout (`config.json`, `model.safetensors`, `tokenizer.json`, …). */
export interface Checkpoint<Weights = Map<string, HostTensor>> {
  readonly config: ModelConfig;
  readonly weights: Weights;
  readonly tokenizer: Tokenizer;
  readonly generation: GenerationDefaults;
  /** What stands beside the weights, which are frozen then. */
  readonly adapter?: Adapter | undefined;
}

/**
 * Reads a checkpoint folder, of ours or a published model's, or an adapter's with the base that it names; all but the values
 * of full weights, which are had one at a time and may yet turn out damaged. Throws a `UserError` that names the file that
 * is missing, cut off or foreign.
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint<TensorSource>> {
  if (await isAdapter(folder)) return openAdapted(folder);
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory())
    throw new UserError(`${folder} is not a checkpoint folder; give a folder with config.json and model.safetensors.`);
  const read = await readConfig(inFolder(folder));
  const tokenizer = await Tokenizer.read(folder);
  if (tokenizer.largestId >= read.config.vocab_size)
    throw new UserError(
      `${path.join(folder, 'tokenizer.json')} has ids up to ${tokenizer.largestId} where config.json has a vocabulary of ${read.config.vocab_size}; restore both from one checkpoint.`,
    );
  const weights = await openWeights(folder, read);
  return { config: read.config, weights, tokenizer, generation: await readGeneration(folder, read.config) };
}

/** `openCheckpoint` with the weights in memory. */
export const readCheckpoint = async (folder: string): Promise<Checkpoint> => inMemory(await openCheckpoint(folder));

/** An opened checkpoint with its weights in memory; throws a `UserError` where this machine has less. */
export async function inMemory(opened: Checkpoint<TensorSource>): Promise<Checkpoint> {
  assertMemory(keptBytes(opened.weights.shapes));
  const weights = new Map<string, HostTensor>();
  for (const name of opened.weights.shapes.keys()) weights.set(name, await opened.weights.read(name));
  return { ...opened, weights };
}

/** The configuration of a model, or of an adapter's base, without its weights. */
export async function readModelConfig(folder: string): Promise<ModelConfig> {
  return (await readConfig(inFolder(await baseFolder(folder)))).config;
}

async function openAdapted(folder: string): Promise<Checkpoint<TensorSource>> {
  const base = await baseFolder(folder);
  const checkpoint = await openCheckpoint(base);
  const { config } = checkpoint;
  return { ...checkpoint, adapter: await readAdapterOver(folder, { config, base, digest: () => weightsDigest(base) }) };
}

/** Reads an adapter for the model that stands in `base`; throws a `UserError` where it was trained beside other weights. */
export async function readAdapterOver(
  folder: string,
  {
    config,
    base,
    digest,
  }: { readonly config: ModelConfig; readonly base: string; readonly digest: () => Promise<string> },
): Promise<Adapter> {
  const adapter = await readAdapter(folder, config);
  if (adapter.base.digest !== null && adapter.base.digest !== (await digest()))
    throw new UserError(
      `The adapter in ${folder} was trained beside other weights than those that are now in ${base}; put those back, or name their folder as base_model_name_or_path in its adapter_config.json.`,
    );
  return adapter;
}

/**
 * Where the full weights of a model are, with its configuration and tokenizer: its own folder, or that of the base which an
 * adapter names. Throws a `UserError` where there is no such base.
 */
export async function baseFolder(folder: string): Promise<string> {
  if (!(await isAdapter(folder))) return folder;
  const { name } = await readAdapterBase(folder);
  const base = await findModel(name).catch((error: unknown) => {
    throw new UserError(`The base of the adapter in ${folder} is not here: ${messageOf(error)}`);
  });
  if (await isAdapter(base))
    throw new UserError(
      `The base of the adapter in ${folder} is ${base}, which is an adapter itself; merge that first with \`unmask merge\`.`,
    );
  return base;
}

/** A name for the weights of a checkpoint folder, an adapter's base among them, that other weights do not have. */
export async function weightsDigest(folder: string): Promise<string> {
  const hash = createHash('sha256');
  const adapted = await isAdapter(folder);
  for (const file of adapted ? adapterFiles.map((name) => path.join(folder, name)) : await weightFiles(folder))
    for await (const part of createReadStream(file)) hash.update(part as Buffer);
  if (adapted)
    hash.update(`${await weightsDigest(await baseFolder(folder))} ${(await readAdapterBase(folder)).precision}`);
  return hash.digest('hex').slice(0, 16);
}

/** Writes what `readCheckpoint` reads. `config.json` comes last: a folder that has it is whole. */
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

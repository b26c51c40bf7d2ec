import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { HostTensor, TensorSource } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import { writeJson } from '../platform/files.ts';
import { inFolder } from './architectures/description.ts';
import { readConfig } from './architectures/read-config.ts';
import type { ModelConfig } from './config.ts';
import { type GenerationDefaults, readGeneration } from './generation.ts';
import { type SafetensorsOptions, writeSafetensors } from './safetensors.ts';
import { openWeights, weightFiles } from './stored-weights.ts';
import { Tokenizer, type TokenizerFiles } from './tokenizer.ts';

/** A model at rest: a folder in Hugging Face's layout (`config.json`, `model.safetensors`, `tokenizer.json`, …). */
export interface Checkpoint<Weights = Map<string, HostTensor>> {
  readonly config: ModelConfig;
  readonly weights: Weights;
  readonly tokenizer: Tokenizer;
  readonly generation: GenerationDefaults;
}

/**
 * Reads a checkpoint folder, of ours or a published model's, all but the values of its weights, which are had one at a time
 * and may yet turn out damaged. Throws a `UserError` that names the file that is missing, cut off or foreign.
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint<TensorSource>> {
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
export async function readCheckpoint(folder: string): Promise<Checkpoint> {
  const opened = await openCheckpoint(folder);
  const weights = new Map<string, HostTensor>();
  for (const name of opened.weights.shapes.keys()) weights.set(name, await opened.weights.read(name));
  return { ...opened, weights };
}

/** A name for the weights of a checkpoint folder, that other weights do not have. */
export async function weightsDigest(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const file of await weightFiles(folder))
    for await (const part of createReadStream(file)) hash.update(part as Buffer);
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

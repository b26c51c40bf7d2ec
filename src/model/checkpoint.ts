import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { HostTensor } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import { readJson, writeJson } from '../platform/files.ts';
import { type ModelConfig, parseConfig } from './config.ts';
import { type GenerationDefaults, readGeneration } from './generation.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';
import { Tokenizer, type TokenizerFiles } from './tokenizer.ts';
import { weightShapes } from './transformer.ts';

/** A model at rest: a folder in Hugging Face's layout (`config.json`, `model.safetensors`, `tokenizer.json`, …). */
export interface Checkpoint {
  readonly config: ModelConfig;
  readonly weights: Map<string, HostTensor>;
  readonly tokenizer: Tokenizer;
  readonly generation: GenerationDefaults;
}

/** Reads a checkpoint folder; throws a `UserError` that names the file that is missing, cut off or foreign. */
export async function readCheckpoint(folder: string): Promise<Checkpoint> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory())
    throw new UserError(`${folder} is not a checkpoint folder; give a folder with config.json and model.safetensors.`);
  const config = parseConfig(await readJson(path.join(folder, 'config.json')), path.join(folder, 'config.json'));
  const tokenizer = await Tokenizer.read(folder);
  if (tokenizer.largestId >= config.vocab_size)
    throw new UserError(
      `${path.join(folder, 'tokenizer.json')} has ids up to ${tokenizer.largestId} where config.json has a vocabulary of ${config.vocab_size}; restore both from one checkpoint.`,
    );
  const file = path.join(folder, 'model.safetensors');
  const weights = await readSafetensors(file);
  const shapes = weightShapes(config);
  for (const [name, shape] of shapes) {
    const tensor = weights.get(name);
    if (!tensor)
      throw new UserError(
        `${file} lacks the tensor ${name} that its config.json calls for; restore both from one checkpoint.`,
      );
    if (String(tensor.shape) !== String(shape))
      throw new UserError(
        `${file}: ${name} is [${tensor.shape}] where config.json calls for [${shape}]; restore both from one checkpoint.`,
      );
    if (!(tensor.data instanceof Float32Array))
      throw new UserError(`${file}: ${name} holds whole numbers where a weight is F32; restore the file.`);
    if (!tensor.data.every(Number.isFinite))
      throw new UserError(`${file}: ${name} holds values that are not finite; take an earlier checkpoint.`);
  }
  for (const name of weights.keys())
    if (!shapes.has(name))
      throw new UserError(
        `${file} holds the tensor ${name} that its config.json does not know; restore both from one checkpoint.`,
      );
  return { config, weights, tokenizer, generation: await readGeneration(folder) };
}

/** A name for the weights of a checkpoint folder, that other weights do not have. */
export async function weightsDigest(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path.join(folder, 'model.safetensors'))) hash.update(part as Buffer);
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
    readonly weights: ReadonlyMap<string, HostTensor>;
    readonly tokenizer: { readonly files: TokenizerFiles };
    readonly generation: GenerationDefaults;
  },
): Promise<void> {
  await writeSafetensors(path.join(folder, 'model.safetensors'), weights);
  await writeJson(path.join(folder, 'tokenizer.json'), tokenizer.files.tokenizer);
  await writeJson(path.join(folder, 'tokenizer_config.json'), tokenizer.files.config);
  await writeJson(path.join(folder, 'generation_config.json'), generation);
  await writeJson(path.join(folder, 'config.json'), config);
}

import { stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { type HostTensor, type Shape, sizeOf } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import { readJson, writeJson } from '../platform/files.ts';
import { adapterBaseName, lladaBlock, moduleOf, parse, parseShape } from './adapter-fields.ts';
import { scaleOf } from './adapter-patterns.ts';
import { llada } from './architectures/llada.ts';
import type { ModelConfig } from './config.ts';
import { conversionSchema } from './conversion.ts';
import {
  type Adapter,
  type AdapterConfig,
  factorA,
  factorB,
  loraShapes,
  loraTargets,
  targetShapes,
  tokenRows,
  vocabularyMatrices,
} from './lora.ts';
import { precisions } from './precision.ts';
import { readSafetensors, SafetensorsFile, writeSafetensors } from './safetensors.ts';

const configFile = 'adapter_config.json';
const weightsFile = 'adapter_model.safetensors';

/**
 * Records what PEFT's format does not: the digest and the precision of the weights that the adapter was trained on, and what
 * the adapter changes in the configuration of a base that it converts.
 */
const baseFile = 'base_model.json';

/** The files that determine what an adapter computes, apart from its base. */
export const adapterFiles: readonly string[] = [configFile, weightsFile];

/** PEFT wraps a model twice, so the names of tensors begin with the path to the inner model. */
const prefix = 'base_model.model.';

/** Whether a folder holds an adapter in PEFT's layout (https://huggingface.co/docs/peft). */
export async function isAdapter(folder: string): Promise<boolean> {
  return (await stat(path.join(folder, configFile)).catch(() => undefined)) !== undefined;
}

/**
 * Reads the configuration files of an adapter, but not its weights.
 *
 * @throws UserError if a field is missing or not supported
 */
export async function readAdapterConfig(folder: string): Promise<AdapterConfig> {
  const file = path.join(folder, configFile);
  const content = await readJson(file);
  const name = adapterBaseName(content, file);
  const record = path.join(folder, baseFile);
  const isRecorded = (await stat(record).catch(() => undefined)) !== undefined;
  const recorded = isRecorded
    ? parse(base, await readJson(record), record)
    : { digest: null, precision: 'f32' as const };
  return { ...parseShape(content, file, await storedNames(folder)), base: { name, ...recorded } };
}

/** The names of the tensors of an adapter; null if they cannot be read, which `readAdapter` reports. */
async function storedNames(folder: string): Promise<string[] | null> {
  const opened = await SafetensorsFile.open(path.join(folder, weightsFile)).catch(() => null);
  return opened && [...opened.tensors.keys()];
}

const base = z.object({
  digest: z.string().nullable(),
  precision: z.enum(precisions),
  conversion: conversionSchema.optional(),
});

/**
 * Reads the weights of an adapter whose base has the configuration `config`.
 *
 * @throws UserError if a tensor is missing, has another shape, or is not supported
 */
export async function readAdapter(folder: string, adapter: AdapterConfig, config: ModelConfig): Promise<Adapter> {
  const file = path.join(folder, weightsFile);
  const stored = new Map(
    [...(await readSafetensors(file))].map(
      ([name, tensor]) => [ownName(name, config), scaled(name, tensor, adapter, file)] as const,
    ),
  );
  assertKnownTensors(stored, adapter, config, file);
  const weights = new Map<string, HostTensor>();
  for (const [name, extents] of loraShapes(config, adapter)) {
    const tensor = stored.get(prefix + name) ?? (isLeftOut(name, adapter, stored) ? zeros(extents) : undefined);
    if (!tensor)
      throw new UserError(
        `${file} lacks the tensor ${prefix}${name}, which ${configFile} and the base require; restore both files from one adapter.`,
      );
    if (String(tensor.shape) !== String(extents))
      throw new UserError(
        `${file}: ${prefix}${name} is [${tensor.shape}], but ${configFile} and the base require [${extents}]; use the adapter with the base that it was made for.`,
      );
    if (!(tensor.data instanceof Float32Array) || !tensor.data.every(Number.isFinite))
      throw new UserError(
        `${file}: ${prefix}${name} has values that are not finite numbers; use an earlier checkpoint of the adapter.`,
      );
    weights.set(name, tensor);
  }
  return { ...adapter, weights };
}

/** Throws a `UserError` if a file has tensors that are not supported, or has trained tokens of only one matrix. */
function assertKnownTensors(
  stored: ReadonlyMap<string, HostTensor>,
  adapter: AdapterConfig,
  config: ModelConfig,
  file: string,
): void {
  const known = loraShapes(config, adapter);
  for (const name of stored.keys()) {
    if (name.startsWith(prefix) && known.has(name.slice(prefix.length))) continue;
    if (wholeVocabulary.test(name))
      throw new UserError(
        `${file} has the tensor ${name}: a resized vocabulary and embeddings that were trained as a whole are not supported in adapters; merge the adapter into its base with PEFT (merge_and_unload), and add the merged model.`,
      );
    throw new UserError(
      `${file} has the tensor ${name}, which belongs to none of the projections ${adapter.targets.join(', ')} and trained tokens of its base; only LoRA on projections and trained tokens are supported.`,
    );
  }
  if (!adapter.tokens) return;
  const [held, missing] = [true, false].map((isHeld) =>
    vocabularyMatrices(config).filter((matrix) => stored.has(prefix + tokenRows(matrix)) === isHeld),
  ) as [string[], string[]];
  if (held.length > 0 && missing.length > 0)
    throw new UserError(
      `${file} has trained tokens (trainable_token_indices) of ${held[0]}, but not of ${missing[0]}, which is a matrix of its own in the base; only tokens that are trained in both are supported.`,
    );
}

/** Embeddings or a head as a whole, as PEFT saves them for a resized vocabulary, `modules_to_save` and adapters of embeddings. */
const wholeVocabulary =
  /\.(?:embed_tokens|lm_head|wte|transformer\.ff_out)(?:\.base_layer|\.original_module|\.modules_to_save\.\w+)?\.weight$/;

/** Whether an adapter that does not change all modules of its projections leaves out the module of this factor. */
function isLeftOut(name: string, { isPartial }: AdapterConfig, stored: ReadonlyMap<string, HostTensor>): boolean {
  const [, module] = /^(.+)\.lora_[AB]\.weight$/.exec(name) ?? [];
  if (!isPartial || module === undefined) return false;
  return ![factorA(module), factorB(module)].some((factor) => stored.has(prefix + factor));
}

const zeros = (shape: Shape): HostTensor => ({ shape, data: new Float32Array(sizeOf(shape)) });

/**
 * A factor with the rank and scale of the whole adapter: zeros are added to one of a smaller rank, and the factor B is multiplied by
 * what its module's scale has in excess.
 */
function scaled(name: string, tensor: HostTensor, { rank, alpha, scales }: AdapterConfig, file: string): HostTensor {
  const module = moduleOf(name);
  if (!scales || module === null) return tensor;
  const own = scaleOf(scales, module);
  const isA = /\.lora_A(\.\w+)?\.weight$/.test(name);
  const [rows, columns] = tensor.shape as [number, number];
  if (tensor.shape.length !== 2 || (isA ? rows : columns) !== own.rank)
    throw new UserError(
      `${file}: ${name} is [${tensor.shape}], but ${configFile} gives its module the rank ${own.rank}; restore both files from one adapter.`,
    );
  const shape: [number, number] = isA ? [rank, columns] : [rows, rank];
  const data = new Float32Array(shape[0] * shape[1]);
  const factor = isA ? 1 : own.scale / (alpha / rank);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      data[row * shape[1] + column] = factor * (tensor.data[row * columns + column] as number);
  return { shape, data };
}

/**
 * The name of an adapter's tensor as this program calls it: without PEFT's name of the adapter (`.lora_A.default.weight`),
 * and with LLaDA's names mapped by the family's own table.
 */
function ownName(stored: string, config: ModelConfig): string {
  const name = stored.replace(/\.(lora_[AB])\.\w+\.weight$/, '.$1.weight');
  if (!lladaBlock.test(name)) return name;
  const [, module, factor] = /^(.*)\.(lora_[AB]\.weight)$/.exec(name.slice(prefix.length)) ?? [];
  for (const own of targetShapes(config, loraTargets).keys())
    if (llada.stored(config, `${own}.weight`, []) === `${module}.weight`) return `${prefix}${own}.${factor}`;
  return name;
}

/** The names of modules in a family's own layout. */
export interface AdapterNames {
  /** `target_modules`: names, or a regular expression for paths. */
  readonly targets: readonly string[] | string;
  /** Paths of the matrices with trained rows of tokens. */
  readonly matrices: readonly string[];
  /** Rank and alpha of modules that differ from the others, by the name that ends their path; absent: none. */
  readonly scales?: Readonly<Record<string, { readonly rank: number; readonly alpha: number }>>;
}

/**
 * Writes an adapter in PEFT's format. `adapter_config.json` is written last, so a folder that has it is complete.
 *
 * @param names of the modules, if the adapter is for another program and its weights have a family's names; without them the folder
 * also records the base. What a conversion changes in the base's configuration is recorded in both cases.
 */
export async function writeAdapter(folder: string, adapter: Adapter, names?: AdapterNames): Promise<void> {
  const { rank, alpha, targets, tokens, weights, base } = adapter;
  const named = new Map([...weights].map(([name, tensor]) => [prefix + name, tensor]));
  await writeSafetensors(path.join(folder, weightsFile), named);
  const { digest, precision, conversion } = base;
  // Another program may hold the base in another file, so its digest is not exported.
  if (!names || conversion)
    await writeJson(path.join(folder, baseFile), {
      digest: names ? null : digest,
      precision,
      ...(conversion ? { conversion } : {}),
    });
  const matrices = names?.matrices ?? ownMatrices(weights);
  const pattern = (of: (scale: { rank: number; alpha: number }) => number) =>
    Object.fromEntries(Object.entries(names?.scales ?? {}).map(([module, scale]) => [module, of(scale)]));
  await writeJson(path.join(folder, configFile), {
    alpha_pattern: pattern(({ alpha: own }) => own),
    auto_mapping: null,
    base_model_name_or_path: base.name,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: alpha,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: rank,
    rank_pattern: pattern(({ rank: own }) => own),
    revision: null,
    target_modules: names?.targets ?? targets,
    task_type: 'CAUSAL_LM',
    ...(tokens ? { trainable_token_indices: Object.fromEntries(matrices.map((matrix) => [matrix, tokens])) } : {}),
    use_dora: false,
    use_rslora: false,
  });
}

/** The matrices with trained rows, by PEFT's short names. */
const ownMatrices = (weights: ReadonlyMap<string, HostTensor>): string[] =>
  ['embed_tokens', 'lm_head'].filter((matrix) =>
    [...weights.keys()].some((name) => name.endsWith(`${matrix}.token_adapter.trainable_tokens_delta`)),
  );

import { stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { HostTensor } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import { readJson, writeJson } from '../platform/files.ts';
import type { ModelConfig } from './config.ts';
import { type Adapter, type AdapterConfig, type LoraShape, loraShapes, loraTargets, parseTargets } from './lora.ts';
import { precisions } from './precision.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';

const configFile = 'adapter_config.json';
const weightsFile = 'adapter_model.safetensors';
/** Records what PEFT's format does not: the digest and the precision of the weights that the adapter was trained on. */
const baseFile = 'base_model.json';

/** The files that determine what an adapter computes, apart from its base. */
export const adapterFiles: readonly string[] = [configFile, weightsFile];

/** PEFT wraps a model twice, so the names of tensors begin with the path to the inner model. */
const prefix = 'base_model.model.';

/** Whether a folder holds an adapter in PEFT's layout (https://huggingface.co/docs/peft). */
export async function isAdapter(folder: string): Promise<boolean> {
  return (await stat(path.join(folder, configFile)).catch(() => undefined)) !== undefined;
}

/** The fields of `adapter_config.json` that are used. */
const usedFields = z.looseObject({
  peft_type: z.string(),
  base_model_name_or_path: z.string().min(1).nullish(),
  r: z.int().positive(),
  lora_alpha: z.number().positive(),
  target_modules: z.union([z.string(), z.array(z.string())]).nullish(),
});

/** Fields of PEFT's LoRA for features that are not supported, and the values with which they are accepted. */
const refused: Readonly<Record<string, { readonly unless: (value: unknown) => boolean; readonly what: string }>> = {
  use_dora: { unless: isUnset, what: 'DoRA' },
  use_rslora: { unless: isUnset, what: 'rank-stabilised scaling' },
  use_qalora: { unless: isUnset, what: 'QALoRA' },
  bias: { unless: (value) => isUnset(value) || value === 'none', what: 'trained biases' },
  lora_bias: { unless: isUnset, what: 'biases of the factors' },
  modules_to_save: { unless: isUnset, what: 'fully trained modules' },
  rank_pattern: { unless: isUnset, what: 'different ranks per module' },
  alpha_pattern: { unless: isUnset, what: 'different alphas per module' },
  layers_to_transform: { unless: isUnset, what: 'adapters on some layers only' },
  layer_replication: { unless: isUnset, what: 'repeated layers' },
  exclude_modules: { unless: isUnset, what: 'excluded modules' },
  target_parameters: { unless: isUnset, what: 'adapters of bare parameters' },
  trainable_token_indices: { unless: isUnset, what: 'trained tokens' },
  alora_invocation_tokens: { unless: isUnset, what: 'activated LoRA' },
  fan_in_fan_out: { unless: isUnset, what: 'transposed weights' },
  init_lora_weights: {
    unless: (value) => isUnset(value) || [true, 'gaussian', 'orthogonal', 'eva'].includes(value as string | boolean),
    what: 'an initialisation that changes the base',
  },
};

function isUnset(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/**
 * Reads the configuration files of an adapter, but not its weights.
 *
 * @throws UserError if a field is missing or not supported
 */
export async function readAdapterConfig(folder: string): Promise<AdapterConfig> {
  const file = path.join(folder, configFile);
  const content = await readJson(file);
  const { base_model_name_or_path: name } = parse(usedFields, content, file);
  if (!name)
    throw new UserError(`${file} does not name its base; set base_model_name_or_path to a model's name or folder.`);
  const record = path.join(folder, baseFile);
  const isRecorded = (await stat(record).catch(() => undefined)) !== undefined;
  const { digest, precision } = isRecorded
    ? parse(base, await readJson(record), record)
    : { digest: null, precision: 'f32' as const };
  return { ...parseShape(content, file), base: { name, digest, precision } };
}

const base = z.object({ digest: z.string().nullable(), precision: z.enum(precisions) });

/**
 * Reads the weights of an adapter whose base has the configuration `config`.
 *
 * @throws UserError if a tensor is missing, has another shape, or is not supported
 */
export async function readAdapter(folder: string, adapter: AdapterConfig, config: ModelConfig): Promise<Adapter> {
  const file = path.join(folder, weightsFile);
  const stored = await readSafetensors(file);
  const weights = new Map<string, HostTensor>();
  for (const [name, extents] of loraShapes(config, adapter)) {
    const tensor = stored.get(prefix + name);
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
  for (const name of stored.keys())
    if (!weights.has(name.slice(prefix.length)) || !name.startsWith(prefix))
      throw new UserError(
        `${file} has the tensor ${name}, which belongs to none of the projections ${adapter.targets.join(', ')} of its base; only LoRA on projections is supported.`,
      );
  return { ...adapter, weights };
}

function parseShape(value: unknown, file: string): LoraShape {
  const type = (value as { peft_type?: unknown } | null)?.peft_type;
  if (type !== 'LORA')
    throw new UserError(`${file}: peft_type ${JSON.stringify(type)} is not supported; adapters of type LORA are.`);
  for (const [field, { unless, what }] of Object.entries(refused)) {
    const setting = (value as Record<string, unknown>)[field];
    if (!unless(setting))
      throw new UserError(`${file}: ${field} = ${JSON.stringify(setting)} (${what}) is not supported; use plain LoRA.`);
  }
  const { r: rank, lora_alpha: alpha, target_modules: targets } = parse(usedFields, value, file);
  if (typeof targets === 'string' && targets !== 'all-linear')
    throw new UserError(
      `${file}: target_modules ${JSON.stringify(targets)} is a pattern; list the projections by name.`,
    );
  const named = targets === 'all-linear' ? loraTargets : [targets ?? []].flat();
  return { rank, alpha, targets: parseTargets(named, (why) => new UserError(`${file}: target_modules: ${why}`)) };
}

/** Writes an adapter in PEFT's format. `adapter_config.json` is written last, so a folder that has it is complete. */
export async function writeAdapter(folder: string, { rank, alpha, targets, weights, base }: Adapter): Promise<void> {
  const named = new Map([...weights].map(([name, tensor]) => [prefix + name, tensor]));
  await writeSafetensors(path.join(folder, weightsFile), named);
  await writeJson(path.join(folder, baseFile), { digest: base.digest, precision: base.precision });
  await writeJson(path.join(folder, configFile), {
    alpha_pattern: {},
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
    rank_pattern: {},
    revision: null,
    target_modules: targets,
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: false,
  });
}

function parse<T extends z.ZodType>(schema: T, value: unknown, file: string): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new UserError(`${file}: ${issue.path.join('.') || 'the file'} is wrong (${issue.message}); restore the file.`);
}

import path from 'node:path';
import type { TensorSource } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import { writeJson } from '../platform/files.ts';
import type { Architecture } from './architectures/architecture.ts';
import { readConfig } from './architectures/read-config.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { ModelConfig } from './config.ts';
import { conversionOf } from './conversion.ts';
import { narrowToBf16, widenBf16 } from './number-formats.ts';
import { publishedWeights } from './published-weights.ts';
import { writeStoredTensors } from './safetensors.ts';

/** The number types of exported weights, by the names of PyTorch. `auto`: bfloat16 if no matrix loses anything, else float32. */
export const exportTypes = ['auto', 'float32', 'bfloat16'] as const;
export type ExportType = (typeof exportTypes)[number];

/** What was written. */
export interface Exported {
  readonly family: string;
  readonly type: 'float32' | 'bfloat16';
  readonly tensors: number;
}

/**
 * Writes a model in the layout of the family that it comes from: that family's `config.json`, tensor names, shapes and splits.
 * `config.json` is written last.
 *
 * @throws UserError if the model comes from no published family, or no longer computes as its configuration says
 */
export async function exportModel(
  folder: string,
  checkpoint: Checkpoint<TensorSource>,
  requested: ExportType,
): Promise<Exported> {
  const { config, tokenizer, weights } = checkpoint;
  const { architecture, fields } = await publishedFamily(checkpoint);
  const source = publishedWeights(weights, config, architecture);
  const type = requested === 'auto' ? await narrowestType(source) : requested;
  await writeWeights(path.join(folder, 'model.safetensors'), source, type);
  await writeJson(path.join(folder, 'tokenizer.json'), tokenizer.files.tokenizer);
  await writeJson(path.join(folder, 'tokenizer_config.json'), tokenizer.files.config);
  const typeField = 'dtype' in fields ? 'dtype' : 'torch_dtype';
  await writeJson(path.join(folder, 'config.json'), { ...fields, [typeField]: type });
  return { family: String(fields.model_type), type, tensors: source.shapes.size };
}

/** The family of a model and its original configuration. Throws a `UserError` if that does not describe the model any more. */
export async function publishedFamily({
  config,
  tokenizer,
}: Pick<Checkpoint<unknown>, 'config' | 'tokenizer'>): Promise<{
  readonly architecture: Architecture;
  readonly fields: Record<string, unknown>;
}> {
  const fields = config.published_config as Record<string, unknown> | undefined;
  if (fields === undefined)
    throw new UserError(
      'This model comes from no published family, so there is no other layout to write; use its own folder.',
    );
  const described = withTokens(fields, config);
  const files: Readonly<Record<string, unknown>> = {
    'config.json': described,
    'tokenizer.json': tokenizer.files.tokenizer,
    'tokenizer_config.json': tokenizer.files.config,
  };
  const { config: original, architecture } = await readConfig({
    location: (name) => `${name} of the published model`,
    read: async (name) => files[name],
  });
  const differing = differingField(config, original);
  if (architecture === null || differing !== null)
    throw new UserError(
      `This model differs from its published configuration in ${differing}, which other programs cannot read there; only models that compute as published can be exported.`,
    );
  return { architecture, fields: described };
}

/**
 * A published configuration with the special tokens that only files which are not written name, and with the fields of a conversion,
 * which other programs ignore.
 */
function withTokens(fields: Record<string, unknown>, config: ModelConfig): Record<string, unknown> {
  const { mask_token_id, eos_token_id } = config;
  const mask = mask_token_id === undefined ? {} : { mask_token_id };
  return { ...mask, eos_token_id, ...fields, ...conversionOf(config) };
}

/** The first field in which a configuration computes differently; null if there is none. */
function differingField(config: ModelConfig, original: ModelConfig): string | null {
  const ignored = new Set(['architectures', 'published_config', 'initializer_range', 'pad_token_id']);
  const names = new Set([...Object.keys(config), ...Object.keys(original)]);
  for (const name of names)
    if (!ignored.has(name) && JSON.stringify(config[name]) !== JSON.stringify(original[name])) return name;
  return null;
}

/** Bfloat16 if every matrix consists of such numbers, as after loading a published checkpoint. */
async function narrowestType(source: TensorSource): Promise<'float32' | 'bfloat16'> {
  for (const [name, shape] of source.shapes)
    if (shape.length > 1 && !isBf16((await source.read(name)).data as Float32Array)) return 'float32';
  return 'bfloat16';
}

function isBf16(data: Float32Array): boolean {
  const widened = new Float32Array(data.length);
  widenBf16(narrowToBf16(data), widened);
  return data.every((value, index) => value === widened[index]);
}

/** Vectors that are not bfloat16 keep float32: families store some of them so, such as the biases of routers. */
async function writeWeights(file: string, source: TensorSource, type: 'float32' | 'bfloat16'): Promise<void> {
  const stored = [];
  for (const [name, shape] of source.shapes) {
    const isNarrow =
      type === 'bfloat16' && (shape.length > 1 || isBf16((await source.read(name)).data as Float32Array));
    stored.push({
      name,
      shape,
      dtype: isNarrow ? ('BF16' as const) : ('F32' as const),
      async *parts() {
        const data = (await source.read(name)).data as Float32Array;
        const { buffer, byteOffset, byteLength } = isNarrow ? narrowToBf16(data) : data;
        yield new Uint8Array(buffer, byteOffset, byteLength);
      },
    });
  }
  await writeStoredTensors(file, stored);
}

import path from 'node:path';
import { type Shape, sizeOf } from '../../graph/tensor.ts';
import { UserError } from '../../platform/errors.ts';
import { writeAtomic, writeJson } from '../../platform/files.ts';
import type { Description } from '../architectures/description.ts';
import { readConfig } from '../architectures/read-config.ts';
import type { ModelConfig } from '../config.ts';
import { allFinite } from '../number-formats.ts';
import { type StoredBytes, writeStoredTensors } from '../safetensors.ts';
import { shown } from '../safetensors-header.ts';
import { Tokenizer, type TokenizerFiles } from '../tokenizer.ts';
import { weightShapes } from '../transformer.ts';
import { ggufConfiguration, ropeFactors } from './configuration.ts';
import type { GgufFile } from './gguf-file.ts';
import type { GgufTensor } from './header.ts';
import { Metadata } from './metadata.ts';
import { ggufTokenizer } from './tokenizer.ts';

/** The approximate number of elements that are dequantized at a time. */
const numbersAtATime = 2 ** 20;

/** Names of the weights in a layer, mapped to their names in GGUF. */
const inLayer: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'ffn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

const outside: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
};

function ggufName(name: string): string {
  const [, layer, part, kind] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
  return layer === undefined ? (outside[name] as string) : `blk.${layer}.${inLayer[part as string]}.${kind}`;
}

/** A model in a GGUF file. Everything except for the weights was read and checked. */
export interface GgufCheckpoint {
  readonly config: ModelConfig;
  readonly tokenizer: TokenizerFiles;
  /** The size of the converted weights in bytes. */
  readonly bytes: number;
  /** `general.name`, `general.license`, and the formats of the tensors, ordered by the number of elements, largest first. */
  readonly name: string | undefined;
  readonly licence: string | undefined;
  readonly formats: readonly string[];
  /** The content of `config.json`. */
  readonly published: object;
  readonly weights: readonly StoredBytes[];
}

/**
 * Reads a GGUF file as a checkpoint in Hugging Face's layout. The weights are read in parts while they are written. Throws a
 * `UserError` if a tensor is missing, unexpected or has another shape, or if the model is not supported.
 */
export async function readGgufCheckpoint(gguf: GgufFile): Promise<GgufCheckpoint> {
  const metadata = new Metadata(gguf.file, gguf.metadata);
  const { config: published, interleaved } = await ggufConfiguration(gguf);
  const tokenizer = ggufTokenizer(metadata);
  const { config } = await readConfig(described(gguf.file, { ...published }, tokenizer));
  const { largestId } = new Tokenizer(tokenizer);
  if (largestId >= config.vocab_size)
    throw new UserError(
      `${gguf.file} has ${largestId + 1} tokens, and embeddings of ${config.vocab_size}; convert the model again.`,
    );
  const weights = [...weightShapes(config)].map(([name, shape]) =>
    storedOf(gguf, name, shape, { config, interleaved }),
  );
  const known = new Set([ropeFactors, ...[...weightShapes(config).keys()].map(ggufName)]);
  for (const name of gguf.tensors.keys())
    if (!known.has(name))
      throw new UserError(
        `${gguf.file} holds the tensor ${shown(name)}, which a model of the architecture ${published.model_type} does not have; choose another model.`,
      );
  return {
    ...{ config, tokenizer, published, weights },
    bytes: weights.reduce((sum, { dtype, shape }) => sum + sizeOf(shape) * (dtype === 'F32' ? 4 : 2), 0),
    name: metadata.text('general.name'),
    licence: metadata.text('general.license'),
    formats: formatsOf(gguf),
  };
}

/** Writes a checkpoint folder. `config.json` is written last, so a folder that has it is complete. */
export async function writeGgufCheckpoint(
  folder: string,
  { published, tokenizer, weights }: GgufCheckpoint,
  card: string,
): Promise<void> {
  await writeStoredTensors(path.join(folder, 'model.safetensors'), weights);
  await writeJson(path.join(folder, 'tokenizer.json'), tokenizer.tokenizer);
  await writeJson(path.join(folder, 'tokenizer_config.json'), tokenizer.config);
  await writeAtomic(path.join(folder, 'README.md'), card);
  await writeJson(path.join(folder, 'config.json'), published);
}

/** The configuration files of a converted model before they are written. Messages name the GGUF file. */
function described(file: string, config: object, { tokenizer, config: tokens }: TokenizerFiles): Description {
  const files: Readonly<Record<string, object>> = {
    'config.json': config,
    'tokenizer.json': tokenizer,
    'tokenizer_config.json': tokens,
  };
  return { location: () => file, read: async (name) => files[name] };
}

/**
 * A weight in the form in which it is written. 16-bit numbers are unchanged, and all others become f32. Dequantized numbers
 * need f32, because the product of an 11-bit scale and an integer has more bits than f16 and bf16 can hold.
 */
function storedOf(
  gguf: GgufFile,
  name: string,
  shape: Shape,
  { config, interleaved }: { readonly config: ModelConfig; readonly interleaved: boolean },
): StoredBytes {
  const stored = ggufName(name);
  const tensor = gguf.tensors.get(stored);
  if (!tensor)
    throw new UserError(`${gguf.file} lacks the tensor ${stored} that its metadata requires; convert the model again.`);
  if (String(tensor.shape) !== String(shape))
    throw new UserError(
      `${gguf.file}: ${stored} is [${tensor.shape}], but its metadata requires [${shape}]; convert the model again.`,
    );
  const interleavedHeadDim = interleaved && /\.self_attn\.[qk]_proj\./.test(name) ? config.head_dim : undefined;
  if (shape.length === 1 && !tensor.format.plain)
    throw new UserError(
      `${gguf.file}: ${stored} is a vector of ${tensor.format.name}, but only vectors of F32, F16 and BF16 are supported; convert the model again.`,
    );
  return {
    name,
    shape,
    dtype: tensor.format.plain ?? 'F32',
    parts: () => partsOf(gguf, stored, tensor, interleavedHeadDim),
  };
}

/** The bytes of a weight, some rows at a time. `head` is the number of rows per head if the rows are interleaved. */
async function* partsOf(
  gguf: GgufFile,
  name: string,
  tensor: GgufTensor,
  head: number | undefined,
): AsyncGenerator<Uint8Array> {
  const { format } = tensor;
  const { rows, width } = asMatrix(tensor, head);
  const group = head ?? 1;
  const rowsAtATime = Math.max(1, Math.floor(numbersAtATime / width / group)) * group;
  const bytesOfRow = (width / format.numbers) * format.bytes;
  for (let first = 0; first < rows; first += rowsAtATime) {
    const count = Math.min(rowsAtATime, rows - first);
    const raw = await gguf.bytes(tensor, first * bytesOfRow, count * bytesOfRow);
    const ordered = head === undefined ? raw : inOrder(raw, head, bytesOfRow);
    const numbers = new Float32Array(count * width);
    format.dequantize(ordered, numbers);
    if (!allFinite(numbers))
      throw new UserError(`${gguf.file}: ${name} holds values that are not finite; use another file of the model.`);
    yield format.plain ? ordered : new Uint8Array(numbers.buffer);
  }
}

/** The rows and width of a weight. An interleaved bias is a column, so that it can be reordered. Other vectors are a row. */
function asMatrix({ shape }: GgufTensor, head: number | undefined): { readonly rows: number; readonly width: number } {
  const [first, second] = shape as [number, number | undefined];
  if (second !== undefined) return { rows: first, width: second };
  return head === undefined ? { rows: 1, width: first } : { rows: first, width: 1 };
}

/** Reorders the rows of heads. Rotary pairs are rows 2 i and 2 i + 1 in the file, but i and i + head / 2 in transformers. */
function inOrder(rows: Uint8Array, head: number, bytesOfRow: number): Uint8Array {
  const ordered = new Uint8Array(rows.length);
  for (let at = 0; at * bytesOfRow < rows.length; at++) {
    const [start, within] = [at - (at % head), at % head];
    const to = start + (within % 2) * (head / 2) + Math.floor(within / 2);
    ordered.set(rows.subarray(at * bytesOfRow, (at + 1) * bytesOfRow), to * bytesOfRow);
  }
  return ordered;
}

function formatsOf({ tensors }: GgufFile): string[] {
  const numbers = new Map<string, number>();
  for (const { format, shape } of tensors.values())
    numbers.set(format.name, (numbers.get(format.name) ?? 0) + sizeOf(shape));
  return [...numbers].sort(([, a], [, b]) => b - a).map(([name]) => name);
}

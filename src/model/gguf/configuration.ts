import { UserError } from '../../platform/errors.ts';
import { scaledFrequency } from '../rope-scaling.ts';
import type { GgufFile } from './gguf-file.ts';
import { Metadata } from './metadata.ts';

/** The content of `config.json`, or a part of it. */
type Json = Readonly<Record<string, unknown>>;

/** A family of models. Its name in GGUF is also its `model_type`. */
interface Family {
  readonly architectures: readonly string[];
  /** Whether `config.json` has the field `attention_bias`. Otherwise the family determines if attention has biases. */
  readonly statesBiases: boolean;
  /**
   * Whether the file stores the rows of queries and keys in interleaved order, where the two dimensions of a rotary pair are
   * adjacent (`permute` in llama.cpp's converter).
   */
  readonly interleaved: boolean;
}

const families: Readonly<Record<string, Family>> = {
  llama: { architectures: ['LlamaForCausalLM'], statesBiases: true, interleaved: true },
  qwen2: { architectures: ['Qwen2ForCausalLM'], statesBiases: false, interleaved: false },
  qwen3: { architectures: ['Qwen3ForCausalLM'], statesBiases: true, interleaved: false },
};

/** Keys under the family's name that are read here or do not affect a forward pass. */
const knownKeys = new Set([
  ...['block_count', 'context_length', 'embedding_length', 'feed_forward_length', 'vocab_size', 'tensor_data_layout'],
  ...['attention.head_count', 'attention.head_count_kv', 'attention.key_length', 'attention.value_length'],
  ...['attention.layer_norm_rms_epsilon', 'rope.freq_base', 'rope.dimension_count'],
  ...['rope.scaling.type', 'rope.scaling.factor', 'rope.scaling.original_context_length', 'rope.scaling.finetuned'],
]);

/** The tensor of frequency factors that Llama 3.1 and 3.2 have instead of metadata about scaling. */
export const ropeFactors = 'rope_freqs.weight';

export interface GgufConfiguration {
  readonly config: Json;
  readonly interleaved: boolean;
}

/**
 * Builds `config.json` for a GGUF file, in the layout that transformers uses for the family. Throws a `UserError` if the family
 * is not supported, or if an unknown key may change the result of a forward pass.
 */
export async function ggufConfiguration(gguf: GgufFile): Promise<GgufConfiguration> {
  const metadata = new Metadata(gguf.file, gguf.metadata);
  const name = metadata.text('general.architecture') ?? '';
  const family = Object.hasOwn(families, name) ? (families[name] as Family) : undefined;
  if (!family)
    throw new UserError(
      `${gguf.file} holds a model of the architecture ${JSON.stringify(name)}, but only ${Object.keys(families).join(', ')} are supported; choose another model.`,
    );
  if ((metadata.whole('split.count') ?? 1) > 1) throw metadata.unsupported('split.count');
  const key = (rest: string) => `${name}.${rest}`;
  refuseOthers(metadata, name);
  const hidden = metadata.positive(key('embedding_length'));
  const heads = metadata.positive(key('attention.head_count'));
  const head = metadata.positive(key('attention.key_length'), hidden / heads);
  // These keys would give values another width than keys, or apply rotary positions to a part of each head.
  for (const rest of ['attention.value_length', 'rope.dimension_count'])
    if ((metadata.whole(key(rest)) ?? head) !== head) throw metadata.unsupported(key(rest));
  const embeddings = gguf.tensors.get('token_embd.weight');
  const theta = metadata.decimal(key('rope.freq_base')) ?? 10_000;
  const scaling = (await ropeScalingOf(gguf, head, theta)) ?? linearScaling(metadata, key);
  return {
    interleaved: family.interleaved,
    config: {
      architectures: family.architectures,
      model_type: name,
      vocab_size: embeddings?.shape[0] ?? metadata.positive(key('vocab_size')),
      hidden_size: hidden,
      intermediate_size: metadata.positive(key('feed_forward_length')),
      num_hidden_layers: metadata.positive(key('block_count')),
      num_attention_heads: heads,
      num_key_value_heads: metadata.positive(key('attention.head_count_kv'), heads),
      head_dim: head,
      max_position_embeddings: metadata.positive(key('context_length')),
      rms_norm_eps: metadata.decimal(key('attention.layer_norm_rms_epsilon')) ?? 1e-6,
      rope_theta: theta,
      rope_scaling: scaling ?? null,
      hidden_act: 'silu',
      ...(family.statesBiases ? { attention_bias: gguf.tensors.has('blk.0.attn_q.bias') } : {}),
      tie_word_embeddings: !gguf.tensors.has('output.weight'),
      ...specialTokens(metadata),
    },
  };
}

/** Throws if an unknown key may change the result. Causal attention and features that are switched off are accepted. */
function refuseOthers(metadata: Metadata, family: string): void {
  for (const [key, value] of metadata.values) {
    if (!key.startsWith(`${family}.`) || knownKeys.has(key.slice(family.length + 1))) continue;
    const isOff = value === 0 || (value === false && key !== `${family}.attention.causal`);
    const isCausal = value === true && key === `${family}.attention.causal`;
    if (!isOff && !isCausal) throw metadata.unsupported(key);
  }
}

function linearScaling(metadata: Metadata, key: (rest: string) => string): Json | undefined {
  const type = metadata.text(key('rope.scaling.type')) ?? 'none';
  if (type === 'none') return undefined;
  if (type !== 'linear') throw metadata.unsupported(key('rope.scaling.type'));
  return { rope_type: 'linear', factor: metadata.decimal(key('rope.scaling.factor')) ?? 1 };
}

/** Llama 3's settings without the factor (`rope_scaling` of the published 3.1 and 3.2). */
const llama3 = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 } as const;

/**
 * Derives the scaling settings from the divisors of the frequencies that a file stores instead. The divisor of the longest
 * wavelength is the factor of the scaling, and the other divisors must follow from it.
 */
async function ropeScalingOf(gguf: GgufFile, head: number, theta: number): Promise<Json | undefined> {
  const tensor = gguf.tensors.get(ropeFactors);
  if (!tensor) return undefined;
  const factors = await gguf.numbers(tensor);
  const scaling = llama3ScalingOf(factors, head, theta);
  if (!scaling)
    throw new UserError(
      `${gguf.file} scales its rotary positions (${ropeFactors}) in another way than Llama 3, which is not supported; choose another model.`,
    );
  return scaling;
}

/** Llama 3's scaling with these divisors, one per rotary pair of a head; undefined if there is none. */
export function llama3ScalingOf(factors: Float32Array, head: number, theta: number) {
  const factor = factors.at(-1) as number;
  if (factors.length !== head / 2 || !(factor > 0)) return undefined;
  const scaling = { rope_type: 'llama3', factor, ...llama3 } as const;
  const follows = factors.every((found, pair) => {
    const frequency = theta ** ((-2 * pair) / head);
    return Math.abs(found * scaledFrequency(frequency, scaling) - frequency) <= 1e-4 * frequency;
  });
  return follows ? scaling : undefined;
}

function specialTokens(metadata: Metadata): Json {
  const ids = Object.entries({ bos: 'bos', eos: 'eos', pad: 'padding', mask: 'mask' }).flatMap(([kind, called]) => {
    const id = metadata.whole(`tokenizer.ggml.${called}_token_id`);
    return id === undefined ? [] : [[`${kind}_token_id`, id]];
  });
  return Object.fromEntries(ids);
}

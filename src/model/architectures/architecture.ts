import type { Shape } from '../../graph/tensor.ts';
import type { ModelConfig } from '../config.ts';
import type { PublishedConfig } from './published-config.ts';

/** What a published configuration says of a model's make; its special tokens are found apart from it. */
export type ModelConfigFields = Pick<
  ModelConfig,
  | 'vocab_size'
  | 'hidden_size'
  | 'intermediate_size'
  | 'num_hidden_layers'
  | 'num_attention_heads'
  | 'num_key_value_heads'
  | 'head_dim'
  | 'max_position_embeddings'
  | 'rms_norm_eps'
  | 'rope_theta'
  | 'rope_scaling'
  | 'partial_rotary_factor'
  | 'attention_bias'
  | 'attention_output_bias'
  | 'qk_norm'
  | 'moe'
  | 'tie_word_embeddings'
  | 'logit_shift'
  | 'attention'
  | 'block_size'
>;

/** A tensor of a published checkpoint, or consecutive rows of one, that a weight is made of. */
export interface StoredPart {
  readonly name: string;
  /** Of the whole tensor. */
  readonly shape: Shape;
  /** The rows that belong to the weight, [from, to); absent: all. */
  readonly rows?: readonly [from: number, to: number];
}

/** What a weight is made of: parts below each other (`rows`) or side by side (`columns`). */
export interface Stored {
  readonly parts: readonly StoredPart[];
  readonly joined: 'rows' | 'columns';
}

/** A family of published models, as far as it differs from ours: how its configuration reads and its weights are called. */
export interface Architecture {
  /** `model_type` of its configurations. */
  readonly types: readonly string[];
  /** Names in `architectures` by which a family is recognised that has the `model_type` of another one; absent: none. */
  readonly classes?: readonly string[];
  /** Whether `make` reads how rotary positions are scaled; elsewhere scaled ones are refused. */
  readonly scalesPositions?: boolean;
  /** Throws a `UserError` that names the field that is wrong or not supported. */
  make(config: PublishedConfig): ModelConfigFields;
  /** How a weight of ours is stored: the name of one tensor, or what it is made of. */
  stored(config: ModelConfig, name: string, shape: Shape): string | Stored;
}

/**
 * The experts of a layer, stored as one tensor for each matrix, while our weight joins those of all experts; undefined
 * if `name` is another weight.
 */
export function storedExperts({ moe }: ModelConfig, name: string, shape: Shape): Stored | undefined {
  const [, layer, weight] = /^(.+)\.mlp\.experts\.(\w+)\.weight$/.exec(name) ?? [];
  if (!moe || layer === undefined) return undefined;
  const [rows, columns] = shape as [number, number];
  const joined = weight === 'down_proj' ? 'columns' : 'rows';
  const each = joined === 'rows' ? [rows / moe.num_experts, columns] : [rows, columns / moe.num_experts];
  const parts = Array.from({ length: moe.num_experts }, (_, expert) => ({
    name: `${layer}.mlp.experts.${expert}.${weight}.weight`,
    shape: each,
  }));
  return { parts, joined };
}

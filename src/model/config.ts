import { z } from 'zod';
import { UsageError, UserError } from '../platform/errors.ts';
import { invalidValue } from '../platform/invalid-value.ts';
import { ropeScaling } from './rope-scaling.ts';

const positive = z.int().positive();

/** An upper limit for sizes. A file with a larger size is damaged, and processing it would take forever. */
const mostLayers = 1024;
const mostExperts = 4096;

/**
 * Feed-forwards that are mixtures of experts. A router scores every expert for every token, and a token's output is the
 * sum of its best experts' outputs, weighted by their scores.
 */
const mixture = z
  .object({
    num_experts: positive.max(mostExperts),
    num_experts_per_tok: positive,
    /** Width of each expert. */
    intermediate_size: positive,
    /** Width of the shared expert, which processes every token; undefined: there is none. */
    shared_intermediate_size: positive.optional(),
    /** The number of first layers that have one feed-forward of `intermediate_size` instead. */
    first_dense_layers: z.int().nonnegative(),
    /** The function from router outputs to scores. */
    scoring: z.enum(['softmax', 'sigmoid']),
    /** Whether a bias per expert is added to the scores when the best experts are chosen, but not to their weights. */
    expert_bias: z.boolean(),
    /** The number of groups of experts. Only experts of the best `topk_group` groups can be chosen. */
    n_group: positive,
    topk_group: positive,
    /** Whether the weights of a token's experts are scaled to a sum of 1, and then by `routed_scaling_factor`. */
    norm_topk_prob: z.boolean(),
    routed_scaling_factor: z.number().positive(),
  })
  .refine((m) => m.num_experts % m.n_group === 0 && m.topk_group <= m.n_group, {
    error: 'num_experts must be a multiple of n_group, and topk_group at most n_group',
  })
  .refine((m) => m.num_experts_per_tok <= (m.num_experts / m.n_group) * m.topk_group, {
    error: 'num_experts_per_tok must be at most the number of experts in topk_group groups',
  })
  .refine((m) => m.topk_group === m.n_group || m.num_experts >= 2 * m.n_group, {
    error: 'groups need at least two experts when topk_group is less than n_group',
  });

export type Mixture = z.infer<typeof mixture>;

/**
 * `config.json` of a checkpoint, under the names of Hugging Face's configurations: a bidirectional transformer with
 * RMSNorm, rotary positions, SwiGLU and grouped-query attention, as in the open masked diffusion models.
 */
export const modelConfig = z
  .looseObject({
    model_type: z.literal('unmask'),
    vocab_size: positive,
    hidden_size: positive,
    intermediate_size: positive,
    num_hidden_layers: positive.max(mostLayers),
    num_attention_heads: positive,
    num_key_value_heads: positive,
    head_dim: positive,
    max_position_embeddings: positive,
    rms_norm_eps: z.number().positive(),
    rope_theta: z.number().positive(),
    /** How the frequencies of the rotary positions are scaled for long texts; undefined: they are not scaled. */
    rope_scaling: ropeScaling.optional(),
    /** Fraction of each head's dimensions, from the first, that rotary positions apply to; undefined: all. */
    partial_rotary_factor: z.number().positive().max(1).optional(),
    /** Biases on the query, key and value projections (Qwen2). */
    attention_bias: z.boolean(),
    /** A bias on the output projection of the attention (Llama and Qwen3 with `attention_bias`); undefined: there is none. */
    attention_output_bias: z.boolean().optional(),
    /** RMSNorm on every head's queries and keys (Qwen3). */
    qk_norm: z.boolean(),
    /** Undefined: every layer has one feed-forward. */
    moe: mixture.optional(),
    tie_word_embeddings: z.boolean(),
    /** Whether the output at position i - 1 predicts token i (Dream, DiffuCoder), instead of the output at position i. */
    logit_shift: z.boolean(),
    /**
     * The tokens that a token attends to. `full`: all tokens. `block-causal`: its own block and the blocks before it (LLaDA 2).
     * `prefix-lm`: the context attends to the context and the canvas to all tokens (UniLM, arXiv 1905.03197), so that the
     * context is read only once. `causal`: itself and the tokens before it, as in an autoregressive model. `causal-context`: the
     * context attends as with `causal`, and the canvas, which follows all of the context, to the context and to itself. A
     * converted autoregressive model has it, so that it computes what it computed before on a context (`conversion.ts`).
     */
    attention: z.enum(['full', 'block-causal', 'prefix-lm', 'causal', 'causal-context']),
    block_size: positive.optional(),
    /** Undefined: a published autoregressive model, which has no mask. */
    mask_token_id: z.int().nonnegative().optional(),
    eos_token_id: z.int().nonnegative(),
    pad_token_id: z.int().nonnegative(),
    /** End of the middle: the token after the text that fills a gap. Undefined: the model was not trained to fill gaps. */
    eom_token_id: z.int().nonnegative().optional(),
    /** The token between suffix and prefix if the suffix is read first (`fill-in-the-middle.ts`); only with `causal-context`. */
    prefix_token_id: z.int().nonnegative().optional(),
    initializer_range: z.number().positive(),
  })
  .refine((c) => c.num_attention_heads % c.num_key_value_heads === 0, {
    error: 'num_attention_heads must be a multiple of num_key_value_heads',
  })
  .refine((c) => rotaryDimensions(c) % 2 === 0, { error: 'head_dim must be even for rotary positions' })
  .refine((c) => c.attention !== 'block-causal' || c.block_size !== undefined, {
    error: 'block-causal attention needs a block_size',
  })
  .refine((c) => c.mask_token_id !== undefined || c.attention === 'causal', {
    error: 'a model that denoises needs a mask_token_id',
  })
  .refine((c) => c.attention !== 'causal-context' || (c.logit_shift && c.prefix_token_id !== undefined), {
    error: 'causal-context attention needs logit_shift and a prefix_token_id',
  })
  .refine(
    (c) =>
      [c.mask_token_id ?? 0, c.eos_token_id, c.pad_token_id, c.eom_token_id ?? 0, c.prefix_token_id ?? 0].every(
        (id) => id < c.vocab_size,
      ),
    {
      error: 'special token ids must be below vocab_size',
    },
  );

export type ModelConfig = z.infer<typeof modelConfig>;

/** Whether a model predicts each token from those before it, and therefore does not denoise. */
export const isAutoregressive = ({ attention }: { readonly attention?: string }): boolean => attention === 'causal';

/** Throws a `UserError` if a model does not denoise. */
export function assertDenoises(config: { readonly attention?: string }): void {
  if (isAutoregressive(config)) throw notDenoising();
}

/** The id of the mask. Throws a `UserError` if the model has none. */
export function maskToken({ mask_token_id: mask }: { readonly mask_token_id?: number | undefined }): number {
  if (mask === undefined) throw notDenoising();
  return mask;
}

const notDenoising = (): UserError =>
  new UserError(
    'This is an autoregressive model, usable only as a baseline or as the start of a conversion; choose a diffusion model.',
  );

/** The number of dimensions of a head that rotary positions apply to. */
export function rotaryDimensions({
  head_dim,
  partial_rotary_factor = 1,
}: {
  readonly head_dim: number;
  readonly partial_rotary_factor?: number | undefined;
}): number {
  return Math.floor(head_dim * partial_rotary_factor);
}

/** Whether the feed-forward of a layer is a mixture of experts. */
export const isMixture = ({ moe }: ModelConfig, layer: number): boolean =>
  moe !== undefined && layer >= moe.first_dense_layers;

/** Checks a configuration in Unmask's format. Throws a `UserError` that names the file and the first invalid field. */
export function parseConfig(value: unknown, file: string): ModelConfig {
  const parsed = modelConfig.safeParse(value, { error: invalidValue });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new UserError(`${file}: ${issue.path.join('.') || 'the configuration'} ${issue.message}; restore the file.`);
}

/**
 * Sizes of models trained from scratch; depth and number of heads set the rest. A name states the parameters without the
 * vocabulary's embeddings, because one preset serves vocabularies of 23 characters and of 8,192 byte pairs: `mini-3m` has
 * 3.2 million parameters, and 5.3 million with the embeddings of the bundled code model.
 */
export const presets = {
  'nano-0.5m': { layers: 3, heads: 4 },
  'micro-1m': { layers: 4, heads: 4 },
  'mini-3m': { layers: 4, heads: 8 },
  'small-6m': { layers: 6, heads: 8 },
  'base-14m': { layers: 8, heads: 12 },
  'large-30m': { layers: 10, heads: 16 },
} as const;
export type Preset = keyof typeof presets;

export interface SpecialTokens {
  readonly mask: number;
  readonly eos: number;
  readonly pad: number;
  /** Only for models that fill gaps. */
  readonly eom?: number;
}

/**
 * The configuration of a preset: heads have 32 dimensions, the feed-forward is 8/3 times the width rounded up to a multiple of
 * 64, and attention is plain multi-head attention with normalized queries and keys. `ropeTheta` is the base of the rotary
 * positions' wavelengths. The longest wavelength is about 2 pi `ropeTheta`, and should be a few times as long as the texts. A
 * model that fills gaps has `prefix-lm` attention, or `causal` attention if it is `autoregressive`.
 */
export function presetConfig(
  preset: string,
  vocabulary: number,
  special: SpecialTokens,
  ropeTheta = 10_000,
  autoregressive = false,
): ModelConfig {
  if (!Object.hasOwn(presets, preset))
    throw new UsageError(`There is no preset ${preset}; choose one of ${Object.keys(presets).join(', ')}.`);
  const { layers, heads } = presets[preset as Preset];
  const hidden = heads * 32;
  return {
    architectures: [autoregressive ? 'UnmaskForCausalLM' : 'UnmaskForMaskedDiffusion'],
    model_type: 'unmask',
    vocab_size: vocabulary,
    hidden_size: hidden,
    intermediate_size: Math.ceil((hidden * 8) / 3 / 64) * 64,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: heads,
    head_dim: 32,
    max_position_embeddings: 1024,
    rms_norm_eps: 1e-6,
    rope_theta: ropeTheta,
    attention_bias: false,
    qk_norm: true,
    tie_word_embeddings: true,
    logit_shift: autoregressive,
    attention: autoregressive ? 'causal' : special.eom === undefined ? 'full' : 'prefix-lm',
    mask_token_id: special.mask,
    eos_token_id: special.eos,
    pad_token_id: special.pad,
    ...(special.eom === undefined ? {} : { eom_token_id: special.eom }),
    initializer_range: 0.4 / Math.sqrt(hidden),
  };
}

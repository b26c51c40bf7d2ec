import type { Architecture, ModelConfigFields } from './architecture.ts';
import { type PublishedConfig, readRopeScaling, ropeTheta } from './published-config.ts';

/** What Llama, Qwen2 and Qwen3 have in common: layers and names are the same. Each output predicts the next token. */
function autoregressive(
  config: PublishedConfig,
  defaults: { readonly headDim?: number; readonly epsilon: number },
): Omit<ModelConfigFields, 'attention_bias' | 'qk_norm'> {
  const heads = config.whole('num_attention_heads');
  const hidden = config.whole('hidden_size');
  const scaling = readRopeScaling(config);
  return {
    vocab_size: config.whole('vocab_size'),
    hidden_size: hidden,
    intermediate_size: config.whole('intermediate_size'),
    num_hidden_layers: config.whole('num_hidden_layers'),
    num_attention_heads: heads,
    num_key_value_heads: config.whole('num_key_value_heads', heads),
    head_dim: config.whole('head_dim', defaults.headDim ?? hidden / heads),
    max_position_embeddings: config.whole('max_position_embeddings'),
    rms_norm_eps: config.positive('rms_norm_eps', defaults.epsilon),
    rope_theta: ropeTheta(config, 10_000),
    ...(scaling === undefined ? {} : { rope_scaling: scaling }),
    tie_word_embeddings: config.flag('tie_word_embeddings', false),
    logit_shift: true,
    attention: 'causal',
  };
}

/** `attention_bias` of Llama and Qwen3 is one on the output projection too. */
function biases(config: PublishedConfig): Pick<ModelConfigFields, 'attention_bias' | 'attention_output_bias'> {
  return config.flag('attention_bias', false)
    ? { attention_bias: true, attention_output_bias: true }
    : { attention_bias: false };
}

const stored = (_: unknown, name: string) => name;

/** Llama (arXiv 2407.21783), and models that were published in its layout, such as SmolLM2 (arXiv 2502.02737). */
export const llama: Architecture = {
  types: ['llama'],
  scalesPositions: true,
  make(config) {
    config.only({ mlp_bias: [undefined, false] });
    return { ...autoregressive(config, { epsilon: 1e-6 }), ...biases(config), qk_norm: false };
  },
  stored,
};

/** Qwen2 and Qwen2.5 (arXiv 2412.15115) as they were published, before anybody made them bidirectional. */
export const qwen2: Architecture = {
  types: ['qwen2'],
  scalesPositions: true,
  make: (config) => ({ ...autoregressive(config, { epsilon: 1e-6 }), attention_bias: true, qk_norm: false }),
  stored,
};

/** Qwen3 (arXiv 2505.09388), without its mixtures. */
export const qwen3: Architecture = {
  types: ['qwen3'],
  scalesPositions: true,
  make: (config) => ({
    ...autoregressive(config, { headDim: 128, epsilon: 1e-6 }),
    ...biases(config),
    qk_norm: true,
  }),
  stored,
};

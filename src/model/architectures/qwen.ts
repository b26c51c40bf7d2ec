import type { Architecture, ModelConfigFields } from './architecture.ts';
import { type PublishedConfig, ropeTheta } from './published-config.ts';

/** What Qwen2, Qwen3 and their bidirectional descendants have in common. */
function qwen(config: PublishedConfig): Omit<ModelConfigFields, 'attention_bias' | 'qk_norm' | 'logit_shift'> {
  const heads = config.whole('num_attention_heads');
  const hidden = config.whole('hidden_size');
  return {
    vocab_size: config.whole('vocab_size'),
    hidden_size: hidden,
    intermediate_size: config.whole('intermediate_size'),
    num_hidden_layers: config.whole('num_hidden_layers'),
    num_attention_heads: heads,
    num_key_value_heads: config.whole('num_key_value_heads', heads),
    head_dim: config.whole('head_dim', hidden / heads),
    max_position_embeddings: config.whole('max_position_embeddings'),
    rms_norm_eps: config.positive('rms_norm_eps', 1e-6),
    rope_theta: ropeTheta(config, 10_000),
    tie_word_embeddings: config.flag('tie_word_embeddings', false),
    attention: 'full',
  };
}

const sameNames = (_: unknown, name: string) => name;

/**
 * Qwen2 and Qwen2.5 made bidirectional, with the logits of the model that they came from, each for the next token: Dream
 * (arXiv 2508.15487), DiffuCoder (arXiv 2506.20639), Open-dLLM's open-dCoder, which keeps the name qwen2.
 */
export const dream: Architecture = {
  types: ['Dream', 'qwen2'],
  make: (config) => ({ ...qwen(config), attention_bias: true, qk_norm: false, logit_shift: true }),
  stored: sameNames,
};

/** The dLLM collection's conversions of Qwen2 and Qwen2.5, whose logits are each for the token itself. */
export const a2dQwen2: Architecture = {
  types: ['a2d-qwen2'],
  make: (config) => ({ ...qwen(config), attention_bias: true, qk_norm: false, logit_shift: false }),
  stored: sameNames,
};

/** The dLLM collection's conversions of Qwen3 (arXiv 2505.09388). */
export const a2dQwen3: Architecture = {
  types: ['a2d-qwen3'],
  make(config) {
    // It would be one on the output projection too.
    config.only({ attention_bias: [undefined, false] });
    const head_dim = config.whole('head_dim', 128);
    return { ...qwen(config), head_dim, attention_bias: false, qk_norm: true, logit_shift: false };
  },
  stored: sameNames,
};

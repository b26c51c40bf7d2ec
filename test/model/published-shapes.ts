import type { ModelConfig } from '../../src/model/config.ts';

/** Sizes of LLaDA-8B (arXiv 2502.09992), in the layout that its projections have here. */
export const eightBillion: Partial<ModelConfig> = {
  vocab_size: 126_464,
  hidden_size: 4096,
  intermediate_size: 12_288,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  head_dim: 128,
  attention_bias: false,
  tie_word_embeddings: false,
};

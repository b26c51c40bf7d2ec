import type { Architecture } from './architecture.ts';

/** Ours, and what LLaDA calls them within a block. */
const inBlock: Readonly<Record<string, string>> = {
  'input_layernorm.weight': 'attn_norm.weight',
  'self_attn.q_proj.weight': 'q_proj.weight',
  'self_attn.k_proj.weight': 'k_proj.weight',
  'self_attn.v_proj.weight': 'v_proj.weight',
  'self_attn.q_proj.bias': 'q_proj.bias',
  'self_attn.k_proj.bias': 'k_proj.bias',
  'self_attn.v_proj.bias': 'v_proj.bias',
  'self_attn.o_proj.weight': 'attn_out.weight',
  'post_attention_layernorm.weight': 'ff_norm.weight',
  'mlp.gate_proj.weight': 'ff_proj.weight',
  'mlp.up_proj.weight': 'up_proj.weight',
  'mlp.down_proj.weight': 'ff_out.weight',
};

const outside: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'model.transformer.wte.weight',
  'model.norm.weight': 'model.transformer.ln_f.weight',
  'lm_head.weight': 'model.transformer.ff_out.weight',
};

/** LLaDA 8B (arXiv 2502.09992) and LLaDA 1.5 (arXiv 2505.19223), whose configuration and names are OLMo's. */
export const llada: Architecture = {
  types: ['llada'],
  make(config) {
    // What is absent has the default of the authors' configuration, which is another model's in most fields.
    config.only({
      block_type: ['llama'],
      layer_norm_type: ['rms'],
      activation_type: ['silu'],
      rope: [true],
      attention_layer_norm: [undefined, false],
      layer_norm_with_affine: [undefined, true],
      include_bias: [undefined, false],
      bias_for_layer_norm: [undefined, false],
      scale_logits: [undefined, false],
      input_emb_norm: [undefined, false],
      multi_query_attention: [undefined, false],
      block_group_size: [undefined, 1],
    });
    const hidden = config.whole('d_model');
    const heads = config.whole('n_heads');
    return {
      // The embeddings may have rows beyond the vocabulary.
      vocab_size: config.whole('embedding_size', config.whole('vocab_size')),
      hidden_size: hidden,
      intermediate_size: config.whole('mlp_hidden_size', hidden * config.whole('mlp_ratio', 4)),
      num_hidden_layers: config.whole('n_layers'),
      num_attention_heads: heads,
      num_key_value_heads: config.whole('n_kv_heads', heads),
      head_dim: hidden / heads,
      max_position_embeddings: config.whole('max_sequence_length'),
      rms_norm_eps: config.positive('rms_norm_eps', 1e-5),
      rope_theta: config.positive('rope_theta', 10_000),
      attention_bias: config.flag('include_qkv_bias', false),
      qk_norm: false,
      tie_word_embeddings: config.flag('weight_tying', true),
      logit_shift: false,
      attention: 'full',
    };
  },
  stored(_, name) {
    const [, layer, rest] = /^model\.layers\.(\d+)\.(.+)$/.exec(name) ?? [];
    return layer === undefined
      ? (outside[name] as string)
      : `model.transformer.blocks.${layer}.${inBlock[rest as string]}`;
  },
};

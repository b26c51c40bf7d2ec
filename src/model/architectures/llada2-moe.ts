import type { ModelConfig } from '../config.ts';
import { type Architecture, type Stored, storedExperts } from './architecture.ts';
import { ropeTheta } from './published-config.ts';

/** LLaDA 2.0 and 2.1 (arXiv 2512.15745, 2602.08676), made of Ling 2.0: blocks of 32 that see those before. */
export const llada2Moe: Architecture = {
  types: ['llada2_moe'],
  make(config) {
    config.only({
      use_bias: [false],
      norm_head: [undefined, false],
      score_function: [undefined, 'sigmoid'],
      norm_topk_prob: [undefined, true],
    });
    const hidden = config.whole('hidden_size');
    const heads = config.whole('num_attention_heads');
    const layers = config.whole('num_hidden_layers');
    const experts = config.whole('num_experts');
    const width = config.whole('moe_intermediate_size');
    const chosen = config.whole('num_experts_per_tok');
    const shared = config.get('num_shared_experts') === 0 ? 0 : config.whole('num_shared_experts');
    return {
      vocab_size: config.whole('vocab_size'),
      hidden_size: hidden,
      intermediate_size: config.whole('intermediate_size'),
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: config.whole('num_key_value_heads'),
      head_dim: config.whole('head_dim', hidden / heads),
      max_position_embeddings: config.whole('max_position_embeddings'),
      rms_norm_eps: config.positive('rms_norm_eps', 1e-5),
      rope_theta: ropeTheta(config, 10_000),
      partial_rotary_factor: config.positive('partial_rotary_factor', 0.5),
      attention_bias: config.flag('use_qkv_bias', false),
      qk_norm: config.flag('use_qk_norm', true),
      moe: {
        num_experts: experts,
        num_experts_per_tok: chosen,
        intermediate_size: width,
        ...(shared === 0 ? {} : { shared_intermediate_size: shared * width }),
        first_dense_layers: config.get('first_k_dense_replace') === 0 ? 0 : config.whole('first_k_dense_replace'),
        scoring: 'sigmoid',
        expert_bias: true,
        n_group: config.whole('n_group'),
        topk_group: config.whole('topk_group'),
        norm_topk_prob: chosen > 1,
        routed_scaling_factor: config.positive('routed_scaling_factor'),
      },
      tie_word_embeddings: config.flag('tie_word_embeddings', false),
      logit_shift: false,
      attention: 'block-causal',
      block_size: 32,
    };
  },
  stored(config, name, shape) {
    const [, layer, part, kind] = /^(.+)\.self_attn\.([qkv])_proj\.(weight|bias)$/.exec(name) ?? [];
    if (layer !== undefined) return fused(config, `${layer}.attention.query_key_value.${kind}`, part as 'q', shape);
    return (
      storedExperts(config, name, shape) ??
      name
        .replace('model.embed_tokens.', 'model.word_embeddings.')
        .replace('.self_attn.o_proj.', '.attention.dense.')
        .replace('.self_attn.q_norm.', '.attention.query_layernorm.')
        .replace('.self_attn.k_norm.', '.attention.key_layernorm.')
    );
  },
};

/** One tensor holds the rows of the queries, then those of the keys, then those of the values. */
function fused(config: ModelConfig, name: string, part: 'q' | 'k' | 'v', shape: readonly number[]): Stored {
  const { num_attention_heads: heads, num_key_value_heads: groups, head_dim } = config;
  const first = { q: 0, k: heads, v: heads + groups }[part] * head_dim;
  const rows = [first, first + (shape[0] as number)] as const;
  return {
    parts: [{ name, shape: [(heads + 2 * groups) * head_dim, ...shape.slice(1)], rows }],
    joined: 'rows',
  };
}

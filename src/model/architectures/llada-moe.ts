import { type Architecture, storedExperts } from './architecture.ts';
import { type PublishedConfig, ropeTheta } from './published-config.ts';

/** LLaDA-MoE (arXiv 2509.24389): OLMoE's mixture with full attention. */
export const lladaMoe: Architecture = {
  types: ['llada_moe', 'lladamoe'],
  make(config) {
    config.only({
      attention_bias: [undefined, false],
      moe_router_enable_expert_bias: [undefined, false],
      moe_router_score_function: [undefined, 'softmax'],
    });
    const hidden = config.whole('hidden_size');
    const heads = config.whole('num_attention_heads');
    const layers = config.whole('num_hidden_layers');
    const width = config.whole('expert_intermediate_size');
    const shared = config.get('shared_expert_intermediate_size');
    return {
      vocab_size: config.whole('vocab_size'),
      hidden_size: hidden,
      intermediate_size: config.whole('dense_intermediate_size', width),
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: config.whole('num_key_value_heads', heads),
      head_dim: hidden / heads,
      max_position_embeddings: config.whole('max_position_embeddings'),
      rms_norm_eps: config.positive('rms_norm_eps', 1e-5),
      rope_theta: ropeTheta(config, 10_000),
      partial_rotary_factor: config.positive('partial_rotary_factor', 1),
      attention_bias: false,
      qk_norm: config.flag('qk_layernorm', false),
      moe: {
        num_experts: config.whole('num_experts'),
        num_experts_per_tok: config.whole('num_experts_per_tok'),
        intermediate_size: width,
        ...(shared === undefined ? {} : { shared_intermediate_size: config.whole('shared_expert_intermediate_size') }),
        first_dense_layers: denseLayers(config, layers),
        scoring: 'softmax',
        expert_bias: false,
        n_group: 1,
        topk_group: 1,
        // As in the authors' code, which does not read the field of this name.
        norm_topk_prob: false,
        routed_scaling_factor: 1,
      },
      tie_word_embeddings: config.flag('tie_word_embeddings', false),
      logit_shift: false,
      attention: 'full',
    };
  },
  stored(config, name, shape) {
    return storedExperts(config, name, shape) ?? name.replace('.mlp.shared_experts.', '.shared_expert.');
  },
};

/** `moe_layer_freq` is a list of 0 for a plain layer and 1 for a mixture; ours are plain only before the first mixture. */
function denseLayers(config: PublishedConfig, layers: number): number {
  const kinds = config.get('moe_layer_freq');
  if (!Array.isArray(kinds) || kinds.length !== layers) throw config.unsupported('moe_layer_freq');
  const first = kinds.findIndex((kind) => kind !== 0);
  const dense = first === -1 ? layers : first;
  if (kinds.slice(dense).some((kind) => kind !== 1)) throw config.unsupported('moe_layer_freq');
  return dense;
}

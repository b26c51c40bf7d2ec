import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Mixture } from '../../src/model/config.ts';
import { memoryNeeded, parametersOf } from '../../src/model/memory.ts';
import { tinyCheckpoint, tinyConfig } from './tiny-model.ts';

it('counts the numbers in a model’s weights', () => {
  const { config, weights } = tinyCheckpoint();
  assert.equal(
    parametersOf(config),
    [...weights.values()].reduce((sum, { data }) => sum + data.length, 0),
  );
});

it('adds the weights and the activations of a pass', () => {
  assert.equal(memoryNeeded(7e9, null), 4 * 7e9);
  // One head, one position of 8 numbers: 8 * 8 + 2 * 12 of the layer, 2 of the attention, 2 * 16 of the logits.
  const one = tinyConfig({ max_position_embeddings: 1, num_attention_heads: 1, vocab_size: 16 });
  assert.equal(memoryNeeded(10, one), 4 * (10 + 88 + 2 + 32));
  // Every expert of a mixture is computed: three times 4 * 6 for one, and the 5 of the shared experts.
  const moe: Mixture = {
    num_experts: 4,
    num_experts_per_tok: 1,
    intermediate_size: 6,
    shared_intermediate_size: 5,
    first_dense_layers: 0,
    scoring: 'softmax',
    expert_bias: false,
    n_group: 1,
    topk_group: 1,
    norm_topk_prob: false,
    routed_scaling_factor: 1,
  };
  assert.equal(memoryNeeded(10, { ...one, moe }), 4 * (10 + 64 + 3 * 29 + 2 + 32));
  assert.equal(memoryNeeded(10, { ...one, moe: { ...moe, first_dense_layers: 1 } }), memoryNeeded(10, one));
  // Attention grows with the square of the length, up to 1024 tokens.
  const at = (tokens: number) => memoryNeeded(0, tinyConfig({ max_position_embeddings: tokens }));
  assert.ok(at(1024) > 2.5 * at(512));
  assert.equal(at(4096), at(1024));
});

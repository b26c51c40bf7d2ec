import assert from 'node:assert/strict';
import { it } from 'node:test';
import { memoryNeeded, parametersOf } from '../../src/model/memory.ts';
import { tinyCheckpoint, tinyConfig } from './tiny-model.ts';

it('counts the numbers in a model’s weights', () => {
  const { config, weights } = tinyCheckpoint();
  assert.equal(
    parametersOf(config),
    [...weights.values()].reduce((sum, { data }) => sum + data.length, 0),
  );
});

it('needs the weights, and beside them the activations of a pass', () => {
  assert.equal(memoryNeeded(7e9, null), 4 * 7e9);
  // One head, one place of 8 numbers: 8 * 8 + 2 * 12 of the layer, 2 of the attention, 2 * 16 of the logits.
  const one = tinyConfig({ max_position_embeddings: 1, num_attention_heads: 1, vocab_size: 16 });
  assert.equal(memoryNeeded(10, one), 4 * (10 + 88 + 2 + 32));
  // Attention grows with the square of the length, as far as 1024 tokens.
  const at = (tokens: number) => memoryNeeded(0, tinyConfig({ max_position_embeddings: tokens }));
  assert.ok(at(1024) > 2.5 * at(512));
  assert.equal(at(4096), at(1024));
});

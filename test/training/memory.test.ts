import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { activationBytes, rowsThatFit } from '../../src/training/memory.ts';
import { tinyCheckpoint } from '../model/tiny-model.ts';

const { config } = tinyCheckpoint();

describe('rows that fit into memory', () => {
  it('are many where texts are short, few where they are long, and one at least', () => {
    assert.ok(rowsThatFit(config, { length: 40, answer: 16 }) > 384);
    const code = { ...config, num_hidden_layers: 4, num_attention_heads: 8, hidden_size: 256, intermediate_size: 704 };
    const long = { length: 1000, answer: 256 };
    const rows = rowsThatFit({ ...code, vocab_size: 4096 }, long);
    assert.ok(rows >= 2 && rows <= 8, `${rows}`);
    assert.equal(rowsThatFit({ ...code, num_hidden_layers: 400 }, long), 1);
  });

  it('are fewer the longer a text is, or what is predicted of it', () => {
    const bytes = activationBytes(config, { length: 64, answer: 16 });
    assert.ok(activationBytes(config, { length: 128, answer: 16 }) > bytes);
    assert.ok(activationBytes(config, { length: 64, answer: 32 }) > bytes);
  });
});

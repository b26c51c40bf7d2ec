import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { denoise } from '../../src/diffusion/denoise.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { weightShapes } from '../../src/model/transformer.ts';
import { Random } from '../../src/platform/random.ts';
import { assertNear } from './assert-near.ts';
import { referenceLogits, referencePredictions } from './reference-transformer.ts';
import { everyOption, oneThread, tinyCheckpoint } from './tiny-model.ts';

const variants: Readonly<Record<string, Partial<ModelConfig>>> = {
  'a plain model': {},
  'two layers': { num_hidden_layers: 2 },
  'grouped-query attention': { num_attention_heads: 4, num_key_value_heads: 2 },
  'multi-query attention': { num_attention_heads: 3, num_key_value_heads: 1 },
  'heads wider together than the model': { num_attention_heads: 4, num_key_value_heads: 4 },
  'query, key and value biases': { attention_bias: true },
  'query and key norms': { qk_norm: true },
  'an untied head': { tie_word_embeddings: false },
  'shifted logits': { logit_shift: true },
  'block-causal attention': { attention: 'block-causal', block_size: 3 },
  'blocks of one, causal attention': { attention: 'block-causal', block_size: 1, num_hidden_layers: 2 },
  'causal attention': { attention: 'causal', num_hidden_layers: 2 },
  'causal attention, grouped, that predicts the next token': {
    attention: 'causal',
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    logit_shift: true,
  },
  'another rotary base and epsilon': { rope_theta: 50, rms_norm_eps: 0.1 },
  'every option at once': everyOption,
};

const engine = oneThread();

describe('the transformer agrees with its definition in double precision', () => {
  for (const [name, changes] of Object.entries(variants)) {
    it(name, async () => {
      const checkpoint = tinyCheckpoint(changes);
      const { config, weights } = checkpoint;
      const model = await LanguageModel.load(engine, checkpoint);
      const random = new Random(3, name);
      // Rows of several lengths in one batch: shorter ones are padded.
      const rows = [11, 7, 1, 10].map((length) => Int32Array.from({ length }, () => random.integer(config.vocab_size)));
      const found = await model.logits(rows.map((tokens) => ({ tokens, positions: positions(tokens) })));
      rows.forEach((tokens, row) => {
        assertNear(found[row]!, referencePredictions(config, weights, tokens).flat(), `row ${row}`);
      });
      assertNear(await model.rawLogits(rows[0]!), referenceLogits(config, weights, rows[0]!).flat(), 'raw');
      await model.dispose();
    });
  }

  it('has exactly the weights that the options require', () => {
    const { config } = tinyCheckpoint(everyOption);
    const names = [...weightShapes(config).keys()];
    assert.equal(names.length, 3 + 2 * (4 + 3 + 2 + 5), 'embedding, final norm, head; per layer the rest');
    assert.deepEqual(weightShapes(config).get('model.layers.1.self_attn.k_proj.bias'), [8]);
    assert.ok(!weightShapes(tinyCheckpoint().config).has('lm_head.weight'));
  });
});

describe('causal attention', () => {
  it('cannot be used for denoising', async () => {
    const model = await LanguageModel.load(engine, tinyCheckpoint({ attention: 'causal' }));
    const options = { order: 'confidence', length: 4, block: 4, steps: 4, threshold: 0.9, temperature: 0 } as const;
    await assert.rejects(denoise(model, { prompts: [[4]], seeds: [1], options }), {
      name: 'UserError',
      message: /^This is an autoregressive model/,
    });
    await model.dispose();
  });

  it('does not let later tokens affect a position, to the bit', async () => {
    const model = await LanguageModel.load(engine, tinyCheckpoint({ attention: 'causal', num_hidden_layers: 2 }));
    const { vocab_size: vocabulary } = model.config;
    const random = new Random(9, 'causal');
    const tokens = Int32Array.from({ length: 12 }, () => random.integer(vocabulary));
    const before = await model.rawLogits(tokens);
    for (const position of [1, 6, 11]) {
      const changed = tokens.slice();
      for (let later = position; later < tokens.length; later++) changed[later] = (tokens[later]! + 3) % vocabulary;
      const after = await model.rawLogits(changed);
      assert.deepEqual(after.slice(0, position * vocabulary), before.slice(0, position * vocabulary));
      assert.notDeepEqual(after.slice(position * vocabulary), before.slice(position * vocabulary));
    }
    await model.dispose();
  });
});

describe('a batch', () => {
  it('gives a row the same logits with any other rows', async () => {
    const model = await LanguageModel.load(engine, tinyCheckpoint(everyOption));
    const random = new Random(5, 'company');
    const rows = Array.from({ length: 9 }, (_, index) =>
      Int32Array.from({ length: 4 + ((index * 5) % 13) }, () => random.integer(8)),
    );
    const together = await model.logits(rows.map((tokens) => ({ tokens, positions: positions(tokens) })));
    for (const [index, tokens] of rows.entries()) {
      const [alone] = await model.logits([{ tokens, positions: positions(tokens) }]);
      assertNear(together[index]!, [...alone!], `row ${index}`);
    }
    await model.dispose();
  });

  it('returns only the requested positions, in their order', async () => {
    const checkpoint = tinyCheckpoint();
    const model = await LanguageModel.load(engine, checkpoint);
    const tokens = Int32Array.of(4, 5, 6, 7, 8);
    const [some, none] = await model.logits([
      { tokens, positions: [3, 0] },
      { tokens: tokens.slice(0, 2), positions: [] },
    ]);
    const all = referencePredictions(checkpoint.config, checkpoint.weights, tokens);
    assertNear(some!, [...all[3]!, ...all[0]!], 'positions 3 and 0');
    assert.equal(none!.length, 0);
    await model.dispose();
  });

  it('is split into passes if it is large, and counts its work', async () => {
    const model = await LanguageModel.load(engine, tinyCheckpoint());
    const rows = Array.from({ length: 300 }, (_, index) => new Int32Array(32).fill(index % 8));
    const found = await model.logits(rows.map((tokens) => ({ tokens, positions: [31] })));
    const [first] = await model.logits([{ tokens: rows[3]!, positions: [31] }]);
    assertNear(found[299]!, [...first!], 'the last of 300 rows, with the tokens of row 3');
    assert.deepEqual(model.work, { forwards: 301, tokens: 301 * 32 });
    await model.dispose();
  });

  it('rejects a text longer than the model supports', async () => {
    const model = await LanguageModel.load(engine, tinyCheckpoint());
    await assert.rejects(model.logits([{ tokens: new Int32Array(65), positions: [0] }]), {
      name: 'UserError',
      message: /65 tokens is longer than the model's 64/,
    });
    await model.dispose();
  });
});

const positions = (tokens: Int32Array): number[] => Array.from(tokens, (_, position) => position);

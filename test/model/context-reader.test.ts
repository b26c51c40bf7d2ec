import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Random } from '../../src/platform/random.ts';
import { assertNear } from './assert-near.ts';
import { referenceLogits, referencePredictions } from './reference-transformer.ts';
import { oneThread, tinyCheckpoint } from './tiny-model.ts';

const checkpoint = tinyCheckpoint({
  attention: 'prefix-lm',
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  qk_norm: true,
});
const { config, weights } = checkpoint;
const engine = oneThread();

/** The logits of a canvas between prefix and suffix, from the reference implementation. */
function exact(prefix: number[], canvas: Int32Array, suffix: number[]): number[][] {
  const inCanvas = (position: number) => position >= prefix.length && position < prefix.length + canvas.length;
  const logits = referenceLogits(config, weights, [...prefix, ...canvas, ...suffix], (position) => !inCanvas(position));
  return logits.slice(prefix.length, prefix.length + canvas.length);
}

describe('a context', () => {
  for (const [name, before, behind] of [
    ['before and after the canvas', 9, 5],
    ['before the canvas', 7, 0],
    ['after the canvas', 0, 6],
    ['without tokens', 0, 0],
  ] as const)
    it(`${name} is encoded once, and the canvas's logits are those of the whole text`, async () => {
      const model = await LanguageModel.load(engine, checkpoint);
      const random = new Random(1, name);
      const draw = (length: number) => Array.from({ length }, () => random.integer(config.vocab_size));
      const [prefix, suffix] = [draw(before), draw(behind)];
      const canvases = [1, 2, 3].map(() => Int32Array.from(draw(6)));
      const afterCanvas = suffix.map((_, index) => before + 6 + index);
      const context = await model.context.read({
        tokens: [...prefix, ...suffix],
        positions: [...prefix.keys(), ...afterCanvas],
      });
      assert.equal(context.tokens, before + behind);
      assert.equal(model.context.open, 1);
      const all = await model.context.logits(context, canvases, { position: before, from: 0, to: 6 });
      const some = await model.context.logits(context, canvases.slice(0, 2), { position: before, from: 2, to: 5 });
      canvases.forEach((canvas, row) => {
        const expected = exact(prefix, canvas, suffix);
        assertNear(all[row]!, expected.flat(), `canvas ${row}`);
        if (row < 2) assertNear(some[row]!, expected.slice(2, 5).flat(), `a part of canvas ${row}`);
      });
      context.dispose();
      context.dispose();
      assert.equal(model.context.open, 0, 'disposing twice counts once');
      assert.deepEqual(context.cache, {});
      await model.dispose();
    });

  it('before the canvas gives the same logits without the cache', async () => {
    const model = await LanguageModel.load(engine, checkpoint);
    const random = new Random(2, 'rows');
    const rows = [11, 8].map((length) => Int32Array.from({ length }, () => random.integer(config.vocab_size)));
    const found = await model.logits(
      rows.map((tokens) => ({ tokens, positions: [...tokens.keys()].filter((position) => position >= 5), canvas: 5 })),
    );
    rows.forEach((tokens, row) => {
      const expected = referenceLogits(config, weights, tokens, (position) => position < 5);
      assertNear(found[row]!, expected.slice(5).flat(), `row ${row}`);
    });
    await model.dispose();
  });

  it('around a canvas gives the same logits in the rows of a training step', async () => {
    const model = await LanguageModel.load(engine, checkpoint);
    const random = new Random(3, 'middles');
    const draw = (length: number) => Array.from({ length }, () => random.integer(config.vocab_size));
    const rows = [
      { prefix: draw(5), canvas: Int32Array.from(draw(4)), suffix: draw(3) },
      { prefix: draw(2), canvas: Int32Array.from(draw(4)), suffix: draw(1) },
      { prefix: draw(3), canvas: Int32Array.from(draw(4)), suffix: [] },
    ];
    const found = await model.logits(
      rows.map(({ prefix, canvas, suffix }) => ({
        tokens: Int32Array.from([...prefix, ...canvas, ...suffix]),
        positions: Array.from(canvas, (_, position) => prefix.length + position),
        canvas: prefix.length,
        suffix: suffix.length,
      })),
    );
    rows.forEach(({ prefix, canvas, suffix }, row) => {
      assertNear(found[row]!, exact(prefix, canvas, suffix).flat(), `row ${row}`);
    });
    await model.dispose();
  });

  it('works with a model of one layer, whose keys depend on nothing else', async () => {
    const shallow = tinyCheckpoint({ attention: 'prefix-lm', num_hidden_layers: 1 });
    const model = await LanguageModel.load(engine, shallow);
    const [prefix, canvas, suffix] = [[4, 5, 6], Int32Array.from([2, 7, 2]), [8, 9]];
    const context = await model.context.read({ tokens: [...prefix, ...suffix], positions: [0, 1, 2, 6, 7] });
    const [found] = await model.context.logits(context, [canvas], { position: 3, from: 0, to: 3 });
    const isContext = (position: number) => position < 3 || position >= 6;
    const expected = referenceLogits(shallow.config, shallow.weights, [...prefix, ...canvas, ...suffix], isContext);
    assertNear(found!, expected.slice(3, 6).flat(), 'the canvas');
    await model.dispose();
  });

  it('can be reused with causal attention', async () => {
    const causal = tinyCheckpoint({
      attention: 'causal',
      logit_shift: true,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 2,
    });
    const model = await LanguageModel.load(engine, causal);
    for (const before of [55, 3, 0]) {
      const random = new Random(5, before);
      const draw = (length: number) => Array.from({ length }, () => random.integer(causal.config.vocab_size));
      const prompt = draw(before);
      const canvases = [1, 2, 3].map(() => Int32Array.from(draw(6)));
      const context = await model.context.read({ tokens: prompt, positions: [...prompt.keys()] });
      const found = await model.context.logits(context, canvases, { position: prompt.length, from: 1, to: 6 });
      canvases.forEach((canvas, row) => {
        const whole = referencePredictions(causal.config, causal.weights, [...prompt, ...canvas]);
        assertNear(found[row]!, whole.slice(prompt.length + 1).flat(), `canvas ${row} after ${prompt.length} tokens`);
      });
    }
    await model.dispose();
  });

  it('cannot be cached with block-causal attention', async () => {
    const model = await LanguageModel.load(engine, tinyCheckpoint({ attention: 'block-causal', block_size: 4 }));
    assert.throws(() => model.context, /cannot be kept with block-causal attention/);
    await model.dispose();
  });
});

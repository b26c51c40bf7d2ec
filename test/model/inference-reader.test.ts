import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { entropyOf, likeliestToken, probability } from '../../src/diffusion/token-distribution.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import type { Precision } from '../../src/model/precision.ts';
import { predictedTokens } from '../../src/model/prediction.ts';
import { Random } from '../../src/platform/random.ts';
import { assertNear } from './assert-near.ts';
import { adapted } from './tiny-adapter.ts';
import { everyOption, oneThread, tinyCheckpoint } from './tiny-model.ts';

const engine = oneThread();

const layouts: Readonly<Record<string, Partial<ModelConfig>>> = {
  full: { attention: 'full', num_hidden_layers: 2, qk_norm: true },
  'prefix-lm': { attention: 'prefix-lm', num_attention_heads: 4 },
  causal: { attention: 'causal', num_hidden_layers: 2, mask_token_id: undefined, logit_shift: true },
  'block-causal with every option': everyOption,
};

/** Rows of different lengths, with canvases in their middle. */
function queriesFor(vocabulary: number) {
  const random = new Random(7, 'queries');
  return [13, 6, 21].map((length) => ({
    tokens: Int32Array.from({ length }, () => random.integer(vocabulary)),
    positions: [5, 2, 4],
    ...{ canvas: 2, suffix: 1 },
  }));
}

describe('one program for all lengths', () => {
  for (const [name, layout] of Object.entries(layouts))
    for (const precision of ['f32', 'w8a8'] as const)
      it(`computes the logits of programs with static shapes: ${name}, ${precision}`, async () => {
        const checkpoint = tinyCheckpoint(layout);
        const plain = await modelOf(checkpoint, precision);
        const frozen = await LanguageModel.loadFrozen(engine, checkpoint, precision);
        const queries = queriesFor(checkpoint.config.vocab_size);
        const [expected, found] = [await plain.logits(queries), await frozen.logits(queries)];
        for (const [index, row] of found.entries()) assertNear(row, expected[index]!, `text ${index}`);
        const text = queries[0]!.tokens;
        assertNear(await frozen.rawLogits(text), await plain.rawLogits(text), 'raw');
        await frozen.dispose();
        await plain.dispose();
      });

  it('adds the update of an adapter', async () => {
    const checkpoint = adapted(tinyCheckpoint({ num_hidden_layers: 2 }));
    const plain = await LanguageModel.load(engine, checkpoint);
    const base = await LanguageModel.loadFrozen(engine, checkpoint, 'f32');
    const frozen = await base.withAdapter(checkpoint.adapter);
    const queries = queriesFor(checkpoint.config.vocab_size);
    const [expected, found] = [await plain.logits(queries), await frozen.logits(queries)];
    for (const [index, row] of found.entries()) assertNear(row, expected[index]!, `text ${index}`);
    for (const model of [frozen, base, plain]) await model.dispose();
  });

  for (const attention of ['full', 'prefix-lm', 'causal'] as const)
    it(`reads contexts and canvases like programs with static shapes: ${attention}`, async () => {
      const checkpoint = tinyCheckpoint({ attention, num_hidden_layers: 2 });
      const models = [
        await LanguageModel.load(engine, checkpoint),
        await LanguageModel.loadFrozen(engine, checkpoint, 'f32'),
      ];
      for (const length of [0, 5, 9]) {
        const context = { tokens: Array(length).fill(4), positions: [...Array(length).keys()] };
        const canvases = [1, 2].map((token) => Int32Array.of(token, 2, 2, 5));
        const seen = attention === 'full' ? { tokens: [...canvases[0]!], positions: [0, 1, 2, 3] } : undefined;
        const range = { position: length, from: 1, to: 3 };
        const [expected, found] = await Promise.all(
          models.map(async ({ context: reader }) => {
            const read = await reader.read(context, seen);
            const logits = await reader.logits(read, canvases, range);
            read.dispose();
            assert.equal(reader.open, 0);
            return logits;
          }),
        );
        for (const [index, row] of found!.entries())
          assertNear(row, expected![index]!, `canvas ${index} after ${length} tokens`);
      }
      for (const model of models) await model.dispose();
    });

  for (const precision of ['f32', 'w8a8'] as const)
    it(`computes only the new tokens of a causal context that grows, shrinks or changes, with the same result: ${precision}`, async () => {
      const checkpoint = tinyCheckpoint({ attention: 'causal', num_hidden_layers: 2, num_attention_heads: 4 });
      const load = () => LanguageModel.loadFrozen(engine, checkpoint, precision);
      const kept = await load();
      const canvases = [Int32Array.of(2, 5, 3)];
      const texts: [tokens: number[], computed: number][] = [
        [[1, 2, 3, 4], 4],
        [[1, 2, 3, 4, 5, 6], 2],
        [[1, 2, 3, 4, 5, 6], 0],
        [[1, 2, 3], 0],
        [[1, 2, 3, 4, 5, 6, 7], 1],
        [[1, 2, 9, 4, 5, 6, 7], 5],
        [[3], 1],
        [[], 0],
      ];
      for (const [tokens, computed] of texts) {
        const fresh = await load();
        const read = async ({ context, work }: LanguageModel) => {
          const before = work.tokens;
          const opened = await context.read({ tokens, positions: [...tokens.keys()] });
          const count = work.tokens - before;
          const [row] = await context.logits(opened, canvases, { position: tokens.length, from: 0, to: 3 });
          opened.dispose();
          return { row: row as Float32Array, count };
        };
        const [expected, found] = [await read(fresh), await read(kept)];
        assertNear(found.row, expected.row, `[${tokens}]`);
        assert.equal(found.count, computed, `tokens computed of [${tokens}]`);
        await fresh.dispose();
      }
      await kept.dispose();
    });

  it('predicts what the logits say, without the mask token', async () => {
    const { config, ...rest } = tinyCheckpoint({ attention: 'full' });
    const model = await LanguageModel.loadFrozen(engine, { config, ...rest }, 'f32');
    const [query] = queriesFor(config.vocab_size);
    const [logits] = await model.logits([query!]);
    const predictions = await model.inference!.textPredictions(query!);
    const mask = config.mask_token_id as number;
    assert.equal(predictions.length, query!.positions.length);
    predictions.forEach(({ tokens, logProbabilities, entropy }, index) => {
      const row = logits!.subarray(index * config.vocab_size, (index + 1) * config.vocab_size);
      assert.equal(tokens.length, predictedTokens);
      assert.equal(tokens[0], likeliestToken(row, mask));
      assertNear(
        [...logProbabilities].map(Math.exp),
        [...tokens].map((token) => probability(row, token, mask)),
        'p',
      );
      assertNear([entropy], [entropyOf(row, mask)], 'entropy');
    });
    await model.dispose();
  });
});

/** A model with programs of static shapes. Its rounded weights are those of an adapter's base. */
async function modelOf(checkpoint: ReturnType<typeof tinyCheckpoint>, precision: Precision): Promise<LanguageModel> {
  if (precision === 'f32') return LanguageModel.load(engine, checkpoint);
  const idle = adapted(checkpoint, { precision });
  for (const { data } of idle.adapter.weights.values()) data.fill(0);
  return LanguageModel.load(engine, idle);
}

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { denoise } from '../../src/diffusion/denoise.ts';
import type { RevealOrder } from '../../src/diffusion/reveal-rules.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { assertNear } from '../model/assert-near.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';

const engine = oneThread();

/** Counts how often a model's program returned logits, and predictions. */
function counting(model: LanguageModel) {
  const counts = { logits: 0, predictions: 0 };
  const { context, inference } = model;
  const denoiser = {
    config: model.config,
    logits: (...request: Parameters<LanguageModel['logits']>) => {
      counts.logits++;
      return model.logits(...request);
    },
    context: {
      read: (...request: Parameters<typeof context.read>) => context.read(...request),
      logits: (...request: Parameters<typeof context.logits>) => {
        counts.logits++;
        return context.logits(...request);
      },
    },
    inference: inference && {
      predictions: (...request: Parameters<typeof inference.predictions>) => {
        counts.predictions++;
        return inference.predictions(...request);
      },
      textPredictions: (...request: Parameters<typeof inference.textPredictions>) => {
        counts.predictions++;
        return inference.textPredictions(...request);
      },
    },
  };
  return { denoiser, counts };
}

describe('decoding with predictions', () => {
  for (const attention of ['full', 'prefix-lm'] as const)
    for (const [order, temperature, contextRefresh] of [
      ['confidence', 0, 1],
      ['threshold', 0, 1],
      ['threshold', 0, 3],
      ['random', 0, 1],
      ['confidence', 0.8, 1],
    ] as readonly [RevealOrder, number, number][])
      it(`gives the text of logits: ${attention}, ${order}, temperature ${temperature}, refresh ${contextRefresh}`, async () => {
        const checkpoint = tinyCheckpoint({ attention, num_hidden_layers: 2 });
        const plain = await LanguageModel.load(engine, checkpoint);
        const frozen = await LanguageModel.loadFrozen(engine, checkpoint, 'f32');
        const call = {
          prompts: [
            [4, 5, 6, 7],
            [9, 8, 7],
          ],
          ...{ seeds: [1, 2], contextRefresh },
          options: { order, length: 12, block: 6, steps: 8, threshold: 0.3, temperature },
        };
        const { denoiser, counts } = counting(frozen);
        const [expected, found] = [await denoise(plain, call), await denoise(denoiser, call)];
        found.forEach((one, index) => {
          assert.deepEqual(one.tokens, expected[index]!.tokens);
          assert.deepEqual(one.revealedAt, expected[index]!.revealedAt);
          assertNear(one.confidence, expected[index]!.confidence, 'confidence');
          assertNear(one.entropy, expected[index]!.entropy, 'entropy');
        });
        assert.equal(temperature > 0 ? counts.predictions : counts.logits, 0);
        assert.ok((temperature > 0 ? counts.logits : counts.predictions) > 0);
        await frozen.dispose();
        await plain.dispose();
      });
});

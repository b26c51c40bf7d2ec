import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type DecodingOptions, denoise } from '../../src/diffusion/denoise.ts';
import { type InfillRequest, infill } from '../../src/diffusion/infill.ts';
import { trainBytePairs } from '../../src/model/byte-pair-training.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import type { Query } from '../../src/model/query.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';
import { denoise as previousDenoise } from './previous/denoise.ts';
import { infill as previousInfill } from './previous/infill.ts';

const engine = oneThread();
const kinds: readonly Partial<ModelConfig>[] = [
  { attention: 'full' },
  { attention: 'full', logit_shift: true },
  { attention: 'prefix-lm' },
  { attention: 'block-causal', block_size: 4 },
];

for (const kind of kinds)
  describe(`the previous sampler, with ${kind.attention} attention${kind.logit_shift ? ', shifted' : ''}`, () => {
    for (const order of ['confidence', 'random', 'threshold'] as const)
      it(`writes the same in ${order} order`, async () => {
        const model = await LanguageModel.load(engine, tinyCheckpoint({ num_hidden_layers: 2, ...kind }));
        const plain = { config: model.config, stepwise: () => (queries: readonly Query[]) => model.logits(queries) };
        for (const temperature of [0, 0.9])
          for (const [length, block, steps] of [
            [10, 4, 5],
            [7, 3, 7],
            [5, 8, 2],
          ] as const) {
            const options: DecodingOptions = { order, length, block, steps, threshold: 0.3, temperature };
            const call = {
              prompts: [[4, 5, 6], [7], [4, 5, 6], [8, 9], [4, 5, 6]],
              suffixes: [[6], [], [6], [5, 4], []],
              seeds: [1, 2, 3, 4, 5],
              options,
            };
            const found = await denoise(model, call);
            const expected = await previousDenoise(plain, call);
            for (const [row, own] of found.entries()) {
              assert.deepEqual([...own.tokens], [...expected[row]!.tokens]);
              assert.deepEqual([...own.revealedAt], [...expected[row]!.revealedAt]);
              assert.equal(own.forwards, expected[row]!.forwards);
              own.entropy.forEach((nats, i) => void assert.ok(Math.abs(nats - expected[row]!.entropy[i]!) < 1e-3));
              own.confidence.forEach((p, i) => void assert.ok(Math.abs(p - expected[row]!.confidence[i]!) < 1e-3));
            }
          }
        await model.dispose();
      });
  });

const source = `export function definition(value: string): Definition {
  return new Definition(value.definition());
}
`.repeat(20);
const tokenizer = new Tokenizer(trainBytePairs([source], 360));

describe('the previous infiller', () => {
  for (const changes of [
    { attention: 'prefix-lm', eom_token_id: 3 },
    { attention: 'full', published_config: {}, logit_shift: true },
  ] as const)
    it(`writes the same with ${changes.attention} attention`, async () => {
      const checkpoint = tinyCheckpoint({
        ...changes,
        num_hidden_layers: 2,
        vocab_size: tokenizer.largestId + 1,
        max_position_embeddings: 160,
      });
      const model = await LanguageModel.load(engine, { ...checkpoint, tokenizer });
      for (const prefix of ['  return new Def', '', 'export function definition(value', 'a;\n  '])
        for (const suffix of ['', '\n}', '(value.definition());\n}\n'])
          for (const singleLine of [true, false])
            for (const threshold of [0.002, 0.9, 1]) {
              const request: InfillRequest = {
                ...{ prefix, suffix, alternatives: 5, seed: 3, temperature: 1.2, threshold },
                ...{ contextTokens: 40, singleLine },
                stops: { isOver: (text) => text.length > 60, leastConfidence: 0 },
              };
              const found = await infill(model, request, { runnersUp: 2 });
              const expected = await previousInfill(model, { ...request, runnersUp: 2 });
              assert.equal(found.healed, expected.begun);
              assert.equal(found.contextTokens, expected.contextTokens);
              assert.equal(found.forwards, expected.forwards);
              for (const [index, own] of found.alternatives.entries()) {
                const old = expected.alternatives[index]!;
                assert.deepEqual([...own.tokens], [...old.tokens]);
                assert.deepEqual([...own.revealedAt], [...old.revealedAt]);
                assert.deepEqual([own.text, own.length, own.ended], [old.text, old.length, old.ended]);
                assert.ok(Math.abs(own.meanConfidence - old.meanConfidence) < 1e-3);
                assert.equal(own.runnersUp!.length, old.runnersUp!.length);
              }
            }
      await model.dispose();
    });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AutoregressiveWriter } from '../../src/infilling/autoregressive-model.ts';
import { bitsFromTheLeft } from '../../src/infilling/left-to-right.ts';
import { fillsFromTheLeft, givenForMiddle } from '../../src/model/fill-in-the-middle.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { logProbability, referencePredictions } from '../model/reference-transformer.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';

const checkpoint = tinyCheckpoint({
  attention: 'causal',
  logit_shift: true,
  eom_token_id: 3,
  num_hidden_layers: 2,
});
const { config, weights, tokenizer } = checkpoint;

describe('an autoregressive model that fills gaps', () => {
  it('reads prefix, suffix and then the middle, with sentinels between them', () => {
    assert.deepEqual(givenForMiddle([7, 8], [9], { mask: 2, eos: 1 }), [7, 8, 2, 9, 1]);
    assert.deepEqual(givenForMiddle([], [], { mask: 2, eos: 1 }), [2, 1]);
    assert.ok(fillsFromTheLeft(config));
    assert.ok(!fillsFromTheLeft({ ...config, attention: 'prefix-lm' }));
  });

  it('gives the bits of the whole text, and encodes the context only once', async () => {
    const model = await LanguageModel.load(oneThread(), checkpoint);
    const writer = new AutoregressiveWriter(model, 40);
    for (const [prefix, suffix, middle] of [
      ['12+34', '=46', '5*6'],
      ['', '', '7'],
      ['1', '', ''],
    ] as const) {
      const { next, dispose } = await writer.read({ prefix, suffix }, 8);
      const tokens = [...tokenizer.encode(middle), writer.end];
      const given = givenForMiddle(tokenizer.encode(prefix), tokenizer.encode(suffix), { mask: 2, eos: 1 });
      const logits = referencePredictions(config, weights, [...given, ...tokens]);
      const expected = tokens.reduce(
        (sum, token, place) => sum - logProbability(logits[given.length + place]!, token) / Math.LN2,
        0,
      );
      const found = await bitsFromTheLeft(next, tokens);
      assert.ok(Math.abs(found - expected) < 1e-3, `${found} and ${expected}`);
      dispose();
      assert.equal(model.context.open, 0);
    }
    await model.dispose();
  });
});

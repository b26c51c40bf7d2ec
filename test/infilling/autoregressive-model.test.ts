import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { mergeTokens } from '../../src/diffusion/merge-tokens.ts';
import { AutoregressiveWriter } from '../../src/infilling/autoregressive-model.ts';
import { bitsFromTheLeft } from '../../src/infilling/left-to-right.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { contextOfMiddle, fillsFromTheLeft, middleFormat } from '../../src/model/fill-in-the-middle.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { assertNear } from '../model/assert-near.ts';
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
    assert.deepEqual(contextOfMiddle([7, 8], [9], { mask: 2, eos: 1 }), [7, 8, 2, 9, 1]);
    assert.deepEqual(contextOfMiddle([], [], { mask: 2, eos: 1 }), [2, 1]);
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
      const given = contextOfMiddle(tokenizer.encode(prefix), tokenizer.encode(suffix), { mask: 2, eos: 1 });
      const logits = referencePredictions(config, weights, [...given, ...tokens]);
      const expected = tokens.reduce(
        (sum, token, position) => sum - logProbability(logits[given.length + position]!, token) / Math.LN2,
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

/** A tokenizer of letters whose special tokens have these names; one that begins every text is its `start`. */
function lettersWith(specials: readonly string[], start?: string): Tokenizer {
  const vocab = Object.fromEntries([...specials, 'a', 'b'].map((token, id) => [token, id]));
  const post_processor =
    start === undefined
      ? null
      : {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: start, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
          pair: [],
          special_tokens: { [start]: { id: start, ids: [vocab[start]], tokens: [start] } },
        };
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return new Tokenizer({
    tokenizer: {
      version: '1.0',
      added_tokens: specials.map((content, id) => ({ id, content, ...flags })),
      normalizer: null,
      pre_tokenizer: null,
      post_processor,
      decoder: { type: 'Fuse' },
      model: { type: 'BPE', unk_token: null, vocab, merges: [] },
    },
    config: { tokenizer_class: 'PreTrainedTokenizerFast' },
  });
}

describe('a published autoregressive model', () => {
  const { eom_token_id, mask_token_id, ...published } = config;

  it('reads prefix and suffix if its vocabulary has sentinels for them', () => {
    const names = ['<eos>', '<bos>', '<|fim_prefix|>', '<|fim_middle|>', '<|fim_suffix|>'];
    const format = middleFormat({ ...published, eos_token_id: 0 }, lettersWith(names, '<bos>'));
    assert.deepEqual(format.promptFor([5], [6]), [1, 2, 5, 4, 6, 3]);
    assert.deepEqual([format.overhead, format.readsSuffix, format.ends], [4, true, [0, 1, 2, 3, 4]]);
  });

  it('reads only the prefix if it has none, after the tokens that every text begins with', () => {
    const started = middleFormat({ ...published, eos_token_id: 0 }, lettersWith(['<eos>', '<bos>'], '<bos>'));
    assert.deepEqual(started.promptFor([2, 3], [3]), [1, 2, 3]);
    assert.deepEqual([started.overhead, started.readsSuffix], [1, false]);
    const plain = middleFormat({ ...published, eos_token_id: 0 }, lettersWith(['<eos>', '<bos>']));
    assert.deepEqual(plain.promptFor([], [3]), [0], 'the end of text comes before an empty text');
  });

  it('ends a middle with any special token', () => {
    const logits = Float32Array.from([0, Math.log(2), 1, Math.log(5)]);
    const merged = mergeTokens(logits, [1, 3]);
    assert.ok(Math.abs((merged[1] as number) - Math.log(7)) < 1e-6);
    assert.deepEqual([merged[0], merged[2], merged[3]], [0, 1, Number.NEGATIVE_INFINITY]);
  });

  it('predicts the same logits as a pass over the whole row', async () => {
    const folder = path.join(import.meta.dirname, '..', 'model', 'references', 'llama');
    const model = await LanguageModel.load(oneThread(), await openCheckpoint(await resolveModel(folder)));
    const writer = new AutoregressiveWriter(model, 40);
    const { next, dispose } = await writer.read({ prefix: 'let x = ', suffix: 'never seen' }, 8);
    const written = model.tokenizer.encode('12');
    const [found] = await next([written]);
    const row = Int32Array.from([writer.end, ...model.tokenizer.encode('let x = '), ...written]);
    const last = (await model.rawLogits(row)).slice(-model.config.vocab_size);
    const ends = middleFormat(model.config, model.tokenizer).ends;
    assertNear(
      found!.map((x) => Math.max(x, -99)),
      mergeTokens(last, ends).map((x) => Math.max(x, -99)),
      'logits',
    );
    dispose();
    await model.dispose();
  });
});

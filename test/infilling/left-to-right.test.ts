import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bitsFromTheLeft, bitsOf, type NextToken, writeMiddles } from '../../src/infilling/left-to-right.ts';
import { Ngram } from '../../src/infilling/ngram.ts';
import { NgramWriter } from '../../src/infilling/ngram-model.ts';
import { trainBytePairs } from '../../src/model/byte-pair-training.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';

const tokenizer = new Tokenizer(trainBytePairs(['const total = one + two;\nconst other = total;\n'.repeat(20)], 300));
const [mask, end] = [2, 3];
const vocabulary = tokenizer.largestId + 1;
const model = { tokenizer, end, mask, read: () => Promise.reject(new Error('nothing is read here')) };
const once = { healed: '', width: 32, singleLine: false, alternatives: 1, temperature: 0.8, seed: 0 };

/** Writes `text` and ends; every other token is far less likely. */
function writing(text: string): NextToken {
  const tokens = [...tokenizer.encode(text), end];
  return async (written) =>
    written.map(({ length }) => {
      const logits = new Float32Array(vocabulary).fill(-20);
      logits[tokens[length] ?? end] = 0;
      return logits;
    });
}

describe('writing from the left', () => {
  it('continues to the end that the model chooses, or to the maximum length', async () => {
    assert.deepEqual(await writeMiddles(writing('one + two;'), model, once), ['one + two;']);
    const [short] = await writeMiddles(writing('one + two;'), model, { ...once, width: 2 });
    assert.equal(short, tokenizer.decode(tokenizer.encode('one + two;').slice(0, 2)));
    assert.deepEqual(await writeMiddles(writing(''), model, once), ['']);
  });

  it('stops at the end of a single line', async () => {
    const text = 'one;\nconst other';
    assert.deepEqual(await writeMiddles(writing(text), model, { ...once, singleLine: true }), ['one;']);
    assert.deepEqual(await writeMiddles(writing(text), model, once), [text]);
  });

  it('adds the probabilities of all tokens with a line break to that of the end', async () => {
    const breaks = tokenizer.texts.flatMap((text, id) => (text.includes('\n') ? [id] : []));
    const letter = tokenizer.encode('o')[0] as number;
    // Each of them is less likely than the letter; together they are more likely.
    const next: NextToken = async (written) =>
      written.map(() => {
        const logits = new Float32Array(vocabulary).fill(-30);
        for (const id of [...breaks.slice(0, 1), end]) logits[id] = -0.5;
        logits[letter] = 0;
        return logits;
      });
    assert.deepEqual(await writeMiddles(next, model, { ...once, singleLine: true }), ['']);
    assert.deepEqual(await writeMiddles(next, model, { ...once, width: 3 }), ['ooo']);
  });

  it('spells the rest of the typed word first', async () => {
    const [text] = await writeMiddles(writing('total;'), model, { ...once, healed: 'to' });
    assert.equal(text, 'tal;');
    const [forced] = await writeMiddles(writing('one;'), model, { ...once, healed: 'ot', width: 1 });
    assert.match(`ot${forced}`, /^ot/);
  });

  it('samples the alternatives after the first, reproducibly for a seed', async () => {
    const uniform: NextToken = async (written) => written.map(() => new Float32Array(vocabulary));
    const requested = { ...once, alternatives: 3, width: 6 };
    const found = await writeMiddles(uniform, model, requested);
    assert.deepEqual(await writeMiddles(uniform, model, requested), found);
    assert.equal(new Set(found).size, 3);
  });
});

describe('bits', () => {
  it('are minus the binary logarithm of the softmax', async () => {
    assert.equal(bitsOf(Float32Array.of(0, 0, 0, 0), 2), 2);
    const logits = Float32Array.of(Math.log(6), Math.log(2), Number.NEGATIVE_INFINITY);
    assert.ok(Math.abs(bitsOf(logits, 1) - 2) < 1e-6);
    const uniform: NextToken = async (written) => written.map(() => new Float32Array(16));
    assert.equal(await bitsFromTheLeft(uniform, [1, 2, 3]), 12);
  });
});

describe('the n-gram that fills gaps', () => {
  const text = tokenizer.encode('const total = one + two;\n');
  const middle = [...text.slice(0, -1), end];
  const writer = new NgramWriter(
    tokenizer,
    { eom: end, mask },
    {
      text: new Ngram([text, text], { vocabulary, order: 3 }),
      ends: new Ngram([middle, middle], { vocabulary, order: 3, contextLength: 2 }),
    },
  );
  it('gives every token and the end a probability, which sum to 1, and ends no middle before its first token', async () => {
    const { next } = await writer.read({ prefix: 'const total =' });
    for (const written of [[], text.slice(4, 6), text.slice(0, -1)]) {
      const [logits] = await next([written]);
      const shares = Array.from(logits as Float32Array, (logit) => Math.exp(logit));
      assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-5, `${shares}`);
      assert.equal(shares[end] === 0, written.length === 0);
    }
  });
  it('ends where middles did', async () => {
    const { next } = await writer.read({ prefix: 'const' });
    const [first] = await writeMiddles(next, writer, once);
    assert.equal(first, ' total = one + two;');
  });
});

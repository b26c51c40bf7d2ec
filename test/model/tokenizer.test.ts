import assert from 'node:assert/strict';
import { it } from 'node:test';
import { characterSpecials, characterTokenizer, Tokenizer } from '../../src/model/tokenizer.ts';
import { plainAlphabet } from '../../src/tasks/plain-alphabet.ts';

it('every text over the alphabet is encoded as one token per character and decoded losslessly', () => {
  for (const alphabet of [plainAlphabet, 'ab \n\té🙂<>', '0']) {
    const tokenizer = new Tokenizer(characterTokenizer(alphabet));
    const characters = [...alphabet];
    for (let round = 0; round < 20; round++) {
      const text = Array.from({ length: round }, (_, i) => characters[(i * 7 + round * 3) % characters.length]).join(
        '',
      );
      const tokens = tokenizer.encode(text);
      assert.equal(tokens.length, [...text].length, JSON.stringify(text));
      assert.ok(
        tokens.every((token) => token > 3),
        'no special token',
      );
      assert.equal(tokenizer.decode(tokens), text);
    }
    assert.equal(tokenizer.largestId, 3 + characters.length);
  }
});

it('special tokens have their stated ids, and are left out of decoded text unless requested', () => {
  const tokenizer = new Tokenizer(characterTokenizer('ab'));
  const { pad, eos, mask, unknown } = characterSpecials;
  const tokens = [4, mask, 5, unknown, eos, pad];
  assert.equal(tokenizer.decode(tokens), 'ab');
  assert.equal(tokenizer.decode(tokens, { special: true }), 'a<mask>b<unk><eos><pad>');
  assert.ok(
    tokenizer.encode('<eos><mask>').every((id) => id >= unknown),
    'text never becomes a special token',
  );
  assert.equal(tokenizer.decode(Int32Array.of(4, 5)), 'ab');
});

it('a character without a token becomes the unknown token, which is reported', () => {
  const tokenizer = new Tokenizer(characterTokenizer('ab'));
  assert.deepEqual(tokenizer.encode('axxb'), [4, 3, 3, 5]);
  assert.ok(tokenizer.dropsRowsOf('axb'));
  assert.ok(!tokenizer.dropsRowsOf('abab'));
  assert.ok(!tokenizer.dropsRowsOf(''));
  assert.deepEqual(tokenizer.encode(''), []);
  assert.equal(tokenizer.decode([]), '');
});

it('a text without a token is reported if there is no unknown token', () => {
  const { tokenizer, config } = characterTokenizer('ab');
  const words = structuredClone(tokenizer) as { model: { type: string; unk_token: string | null } };
  Object.assign(words.model, { type: 'WordPiece', unk_token: null });
  assert.throws(() => new Tokenizer({ tokenizer: words, config }).encode('abc'), {
    name: 'UserError',
    message: 'The model\'s tokenizer has no token for a part of "abc"; restore its tokenizer.json.',
  });
});

it('repeated characters of an alphabet count once', () => {
  const tokenizer = new Tokenizer(characterTokenizer('aab'));
  assert.deepEqual(tokenizer.encode('ab'), [4, 5]);
});

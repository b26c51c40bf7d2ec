import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { piecesOf, specialNames, trainBytePairs } from '../../src/model/byte-pair-training.ts';
import { Tokenizer, type TokenizerFiles } from '../../src/model/tokenizer.ts';
import { Random } from '../../src/platform/random.ts';

const specials = Object.keys(specialNames).length;
const mergesOf = ({ tokenizer }: TokenizerFiles) =>
  (tokenizer as { model: { merges: [string, string][] } }).model.merges;
const vocabularyOf = ({ tokenizer }: TokenizerFiles) =>
  (tokenizer as { model: { vocab: Record<string, number> } }).model.vocab;

describe('pieces of code', () => {
  const cases: readonly [text: string, pieces: string[]][] = [
    ['const x = foo.bar(1);', ['const', ' x', ' =', ' foo', '.bar', '(', '1', ');']],
    [
      'if (a) {\n    return 12345;\n}\n',
      ['if', ' (', 'a', ')', ' {', '\n    ', 'return', ' ', '123', '45', ';', '\n', '}', '\n'],
    ],
    ['a\n\n\tb', ['a', '\n', '\n\t', 'b']],
    ['x\r\n  y', ['x', '\r\n  ', 'y']],
    ['a   b', ['a', '  ', ' b']],
    ['größe_1 $el', ['größe_', '1', ' $el']],
  ];
  for (const [text, pieces] of cases) it(JSON.stringify(text), () => assert.deepEqual(piecesOf(text), pieces));

  it('add up to the text, with line breaks only at the beginning of a piece', () => {
    const random = new Random(1, 'pieces');
    const alphabet = [...'ab1 .\n\r\t(){}"_é😀\u2028\0', '  ', '\n    '];
    for (let round = 0; round < 500; round++) {
      const text = Array.from({ length: random.integer(40) }, () => random.pick(alphabet)).join('');
      const pieces = piecesOf(text);
      assert.equal(pieces.join(''), text, JSON.stringify(text));
      for (const piece of pieces) assert.doesNotMatch(piece, /[^\r\n].*\n/s, JSON.stringify(piece));
    }
  });
});

describe('a byte-pair tokenizer', () => {
  it('merges the most frequent pair first, as calculated by hand', () => {
    // ab occurs 5 times and abc 3 times; then abc's pair is the most frequent, and d never occurs twice with the same
    // neighbour.
    const files = trainBytePairs(['ab ab', 'abc abc', 'abc d'], 1000);
    assert.deepEqual(mergesOf(files).slice(0, 2), [
      ['a', 'b'],
      ['ab', 'c'],
    ]);
    assert.ok(!mergesOf(files).some(([, second]) => second.includes('d')));
  });

  it('breaks ties in favour of older tokens, for any order of the texts', () => {
    const texts = ['yz yz yz', 'bc bc bc', 'mn mn mn'];
    const merges = mergesOf(trainBytePairs(texts, 300));
    assert.deepEqual(merges.slice(0, 3), [
      ['b', 'c'],
      ['m', 'n'],
      ['y', 'z'],
    ]);
    assert.deepEqual(mergesOf(trainBytePairs(texts.toReversed(), 300)), merges);
  });

  it('respects its vocabulary size, with the special tokens first and every byte', () => {
    const text = 'function add(first, second) { return first + second; }\n'.repeat(3);
    const vocabulary = vocabularyOf(trainBytePairs([text], specials + 256 + 5));
    assert.equal(Object.keys(vocabulary).length, specials + 256 + 5);
    assert.deepEqual(
      Object.values(specialNames).map((name) => vocabulary[name]),
      [0, 1, 2, 3],
    );
    assert.deepEqual(new Set(Object.values(vocabulary)).size, specials + 256 + 5);
  });

  it('decodes every text losslessly, also unseen ones', () => {
    const tokenizer = new Tokenizer(trainBytePairs(['const a = 1;\n  return a;\n'.repeat(10)], 400));
    for (const text of ['const a = 1;', 'größe 😀 \u2028\0\t', 'a\r\n\r\n  b', ' ', '\n', '\uFEFFx', '漢字'])
      assert.equal(tokenizer.decode(tokenizer.encode(text)), text, JSON.stringify(text));
    assert.ok(tokenizer.encode('const a = 1;').length <= 'const a = 1;'.length / 2);
  });

  it('never encodes text as a special token', () => {
    const tokenizer = new Tokenizer(trainBytePairs(['a b c'], 300));
    for (const name of Object.values(specialNames)) {
      const text = `x ${name}${name} y`;
      const ids = tokenizer.encode(text);
      assert.ok(
        ids.every((id) => id >= specials),
        text,
      );
      assert.equal(tokenizer.decode(ids), text);
    }
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type InfillingItem, scoreInfilling } from '../../src/evaluation/infilling.ts';
import { Trigram } from '../../src/evaluation/trigram.ts';

const item = (middle: string): InfillingItem => ({
  prefix: 'const a = ',
  middle,
  suffix: '\nexport { a };\n',
  language: 'typescript',
  singleLine: true,
});

describe('scores of completions', () => {
  it('count what is the middle to the letter, and what has no syntax error', async () => {
    const items = ['1;', '2;', '3;', '4;'].map(item);
    const answers = new Map([
      [items[0]!, '1;  '],
      [items[1]!, '5;'],
      [items[2]!, '(;'],
      [items[3]!, ''],
    ]);
    const { exact_match, parses } = await scoreInfilling(items, async (asked) => [answers.get(asked)!]);
    assert.deepEqual([exact_match.value, parses.value], [0.25, 0.5]);
    assert.ok(exact_match.low < 0.25 && exact_match.high > 0.25);
  });

  it('are those of the alternative that an editor shows, and of the likeliest beside them', async () => {
    const answers = new Map([
      [item('1;'), ['(;', '1;']],
      [item('2;'), ['3;', '2;']],
    ]);
    const { exact_match, parses, likeliest } = await scoreInfilling(
      [...answers.keys()],
      async (asked) => answers.get(asked)!,
    );
    assert.deepEqual([exact_match.value, parses.value], [0.5, 1]);
    assert.deepEqual([likeliest.exact_match.value, likeliest.parses.value], [0, 0.5]);
  });
});

describe('the trigram', () => {
  // 1 2 3 twice and 1 2 4 once; behind 2 alone comes 3 more often; 5 is the most frequent token.
  const trigram = new Trigram(
    [
      [1, 2, 3, 1, 2, 3],
      [1, 2, 4],
      [9, 2, 4],
      [5, 5, 5, 5, 5, 5],
    ],
    10,
  );
  it('takes the likeliest token behind two, else behind one, else of all', () => {
    assert.equal(trigram.next(1, 2), 3);
    assert.equal(trigram.next(9, 2), 4);
    assert.equal(trigram.next(7, 2), 3, 'of 3 and 4, twice each, the smaller');
    assert.equal(trigram.next(7, 8), 5);
    assert.equal(trigram.next(-1, -1), 5);
  });
  it('takes the likeliest of those that may stand there', () => {
    const not = (one: number) => (token: number) => token !== one;
    assert.equal(trigram.next(1, 2, not(3)), 4);
    assert.equal(trigram.next(7, 8, not(5)), 2, 'of 1 and 2 the more frequent');
    assert.equal(
      trigram.next(1, 2, (token) => token === 9),
      9,
      'never seen there',
    );
    const even = () => (token: number) => token % 2 === 0;
    assert.deepEqual(
      trigram.continue([1], 2, () => false, even),
      [2, 4],
    );
  });
  it('goes on until an end, or for as long as it may', () => {
    assert.deepEqual(
      trigram.continue([1], 4, (token) => token === 1),
      [2, 3],
    );
    assert.deepEqual(
      trigram.continue([5], 3, () => false),
      [5, 5, 5],
    );
    assert.deepEqual(
      trigram.continue([], 2, (token) => token === 5),
      [],
    );
  });
});

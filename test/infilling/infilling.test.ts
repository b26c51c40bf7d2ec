import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareInfilling, describeMethod, type InfillingMethod, measureGaps } from '../../src/infilling/comparison.ts';
import { type InfillingItem, isBest, scoreItems, sharesOf } from '../../src/infilling/infilling.ts';

const item = (middle: string, errors = 0): InfillingItem => ({
  kind: 'line',
  prefix: 'const a = ',
  middle,
  suffix: '\nexport { a };\n',
  language: 'typescript',
  errors,
});

describe('scores of completions', () => {
  it('report exact matches, similarity, absence of new syntax errors, and empty answers', async () => {
    const items = ['1;', '2;', '3;', '4;'].map((middle) => item(middle));
    const answers = new Map([
      [items[0]!, '1;  '],
      [items[1]!, '5;'],
      [items[2]!, '(;'],
      [items[3]!, ''],
    ]);
    const scores = (await scoreItems(items, async (requested) => [answers.get(requested)!])).map(({ shown }) => shown);
    const { exact_match, parses } = sharesOf(scores);
    assert.deepEqual([exact_match.value, parses.value], [0.25, 0.5]);
    assert.ok(exact_match.low < 0.25 && exact_match.high > 0.25);
    assert.deepEqual(
      scores.map(({ edit_similarity }) => edit_similarity),
      [0.5, 0.5, 0.5, 0],
    );
    assert.deepEqual(
      scores.map(({ empty }) => empty),
      [0, 0, 0, 1],
    );
  });

  it('ignore the syntax errors that the original file has', async () => {
    const [none, one] = await scoreItems([item('1;'), item('1;', 1)], async () => ['(;']);
    assert.deepEqual([none!.shown.parses, one!.shown.parses], [0, 1]);
  });

  it('are those of the alternative that an editor shows, and of the likeliest one', async () => {
    const answers = new Map([
      [item('1;'), ['(;', '1;']],
      [item('2;'), ['3;', '2;']],
    ]);
    const scores = await scoreItems([...answers.keys()], async (requested) => answers.get(requested)!);
    const shown = sharesOf(scores.map((one) => one.shown));
    const likeliest = sharesOf(scores.map((one) => one.likeliest));
    assert.deepEqual([shown.exact_match.value, shown.parses.value], [0.5, 1]);
    assert.deepEqual([likeliest.exact_match.value, likeliest.parses.value], [0, 0.5]);
  });

  it('are computed after removing an end that repeats the text after the gap', async () => {
    const [twice, once] = await scoreItems([item('f('), item('1;')], async ({ middle }) =>
      middle === '1;' ? ['1;\nexport {'] : ['f(\nexport { a'],
    );
    assert.deepEqual([twice!.shown.exact_match, once!.shown.exact_match], [1, 1]);
    assert.equal(once!.likeliest.edit_similarity, 1);
  });

  it('need no alternative after one that is not empty, repeats nothing and adds no syntax error', async () => {
    const best = (text: string) => isBest(item('1;'), text);
    assert.deepEqual(await Promise.all(['1;', '(;', ' ', '\nexport {', '1;\nexport {'].map(best)), [
      true,
      false,
      false,
      false,
      true,
    ]);
  });
});

describe('a comparison', () => {
  const items = Array.from({ length: 40 }, (_, index) => item(`${index + 10};`));
  const measured = (one: InfillingItem) => ({ fits: one.middle !== '10;', characters: one.middle.length });
  /** Correct except in every `nth` item; needs `bits` bits per character, and slightly more in every other item. */
  const method = (name: string, nth: number, bits?: number): InfillingMethod => ({
    name,
    answers: 'several',
    complete: async ({ middle }) => [Number(middle.slice(0, -1)) % nth === 0 ? '0;' : middle, '(((', middle],
    ...(bits === undefined
      ? {}
      : { likelihood: { bits: async ({ middle }) => middle.length * (bits + (Number(middle[1]) % 2)), are: 'exact' } }),
  });

  it('has rows for the shown and the likeliest answers, paired differences, and the better method', async () => {
    const steps: string[] = [];
    const own = [method('model', 50, 2), method('other', 2, 3)];
    const baselines = [method('baseline', 2, 1)];
    const gaps = await measureGaps(items, { own, baselines }, measured, (name, done, of) =>
      steps.push(`${name} ${done} of ${of}`),
    );
    const { n, scored, rows, verdicts } = compareInfilling(gaps, {
      own: own.map(describeMethod),
      baselines: baselines.map(describeMethod),
    });
    assert.deepEqual([n, scored], [40, 39]);
    assert.deepEqual(
      rows.map(({ name }) => name),
      ['model', 'model, likeliest', 'other', 'other, likeliest', 'baseline', 'baseline, likeliest'],
    );
    const [model, , , , baseline, greedy] = rows;
    assert.equal(model!.difference, undefined);
    assert.equal(model!.metrics.exact_match!.value, 1);
    // The wrong answer parses as well, and comes first.
    assert.equal(baseline!.metrics.exact_match!.value, 0.5);
    assert.deepEqual([greedy!.metrics.empty!.value, greedy!.metrics.bits_per_character], [0, undefined]);
    assert.equal(baseline!.difference!.exact_match!.value, -0.5);
    assert.ok(baseline!.difference!.exact_match!.high < 0);
    const rate = model!.metrics.bits_per_character!;
    assert.ok(rate.low < rate.value && rate.value < rate.high);
    assert.ok(Math.abs(rate.value - 2 - 20 / 39) < 1e-9, 'twenty of the 39 that fit take one bit more');
    // Both need one bit more for the same items, so the paired difference is exact.
    const { value, low, high } = baseline!.difference!.bits_per_character!;
    for (const bound of [value, low, high]) assert.ok(Math.abs(bound + 1) < 1e-9, `${bound}`);
    assert.deepEqual(
      verdicts.map(({ metric, model, winner }) => [metric, model, winner]),
      [
        ['exact_match', 'model', 'model'],
        ['edit_similarity', 'model', 'model'],
        ['parses', 'model', null],
        ['bits_per_character', 'model', 'baseline'],
      ],
    );
    assert.equal(steps.length, 3 * (40 + 39));
    assert.deepEqual([steps[0], steps.at(-1)], ['model 0 of 79', 'baseline 78 of 79']);
  });
});

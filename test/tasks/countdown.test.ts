import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { UsageError, UserError } from '../../src/platform/errors.ts';
import { Random } from '../../src/platform/random.ts';
import { readArithmetic } from '../../src/tasks/arithmetic.ts';
import { type CountdownRow, countdown, countdownReward, gradeCountdown } from '../../src/tasks/countdown.ts';
import { solveCountdown } from '../../src/tasks/countdown-solver.ts';
import { countdownPart } from '../../src/tasks/countdown-split.ts';
import { readRowFile } from '../../src/tasks/row-file.ts';

const publicFile = new URL('../../../shared/data/countdown3-test.jsonl', import.meta.url).pathname;
const noPublicFile = existsSync(publicFile) ? false : 'the public test file is not here';

const row: CountdownRow = { numbers: [30, 100, 93], target: 23 };
const tagged = { format: 'tagged', asReleased: false } as const;
const plain = { format: 'plain', asReleased: false } as const;
const generate = (random: Random, options = {}): CountdownRow => countdown.generate!(random, options);
const heldOut = (part: 'validation' | 'test', count: number, options = {}): CountdownRow[] =>
  countdown.heldOut!(part, count, options);

describe('Countdown problems', () => {
  it('are solvable and follow the options', () => {
    const random = new Random(1, 'countdown');
    for (const options of [{}, { count: 4 }, { count: 3, largest: 9 }, { count: 4, largest: 999 }]) {
      const { count, largest } = { count: 3, largest: 100, ...options };
      for (let round = 0; round < 200; round++) {
        const { numbers, target } = generate(random, options);
        assert.equal(numbers.length, count);
        for (const number of [...numbers, target])
          assert.ok(Number.isInteger(number) && number >= 1 && number <= largest);
        assert.notEqual(solveCountdown(numbers, target), null);
        assert.equal(countdownPart(numbers, target), 'training');
      }
    }
  });

  it('classify every public test item as public', { skip: noPublicFile }, async () => {
    const { rows } = await readRowFile(publicFile, (record) => countdown.parse(record));
    assert.equal(rows.length, 256);
    for (const { row: item } of rows) {
      assert.equal(countdownPart(item.numbers, item.target), 'public');
      assert.equal(countdownPart([...item.numbers].reverse(), item.target), 'public');
      assert.notEqual(solveCountdown(item.numbers, item.target), null);
    }
  });

  // This is the first line of the public file, so the check also works without the file.
  it('recognise a public item in any order of its numbers', () => {
    assert.equal(countdownPart([30, 100, 93], 23), 'public');
    assert.equal(countdownPart([93, 30, 100], 23), 'public');
    assert.notEqual(countdownPart([93, 30, 100], 24), 'public');
  });

  it('of a held-out part are distinct and reproducible, and belong to that part', () => {
    for (const part of ['validation', 'test'] as const) {
      const rows = heldOut(part, 256);
      assert.equal(new Set(rows.map(({ numbers, target }) => `${[...numbers].sort()}=${target}`)).size, 256);
      assert.deepEqual(heldOut(part, 10), rows.slice(0, 10));
      for (const { numbers, target } of rows) assert.equal(countdownPart(numbers, target), part);
    }
    // Published results depend on these problems.
    const all = [heldOut('validation', 256), heldOut('test', 256)];
    assert.equal(createHash('sha256').update(JSON.stringify(all)).digest('hex').slice(0, 16), '9733ac5233b17180');
    assert.equal(heldOut('test', 3, { count: 4 })[0].numbers.length, 4);
  });

  it('report too few problems or invalid options in a clear error', () => {
    assert.throws(() => heldOut('validation', 256, { largest: 5 }), UsageError);
    // Immediately, for any requested number.
    assert.throws(
      () => heldOut('test', 9999, { largest: 20 }),
      /cannot make 9999 .* test part; ask for fewer, or for larger/,
    );
    assert.throws(() => heldOut('test', 1e12), /cannot make 1000000000000 .* test part; ask for 10000 at most/);
    for (const options of [
      { count: 2 },
      { count: '3' },
      { largest: 3 },
      { largest: 1000 },
      { largest: 9.5 },
      { sizes: 3 },
    ]) {
      assert.throws(() => generate(new Random(1), options), UsageError, JSON.stringify(options));
    }
  });
});

describe('solveCountdown', () => {
  /** All values of all trees over a list, by every split into two subsets. */
  function values(numbers: readonly number[]): Set<number> {
    if (numbers.length === 1) return new Set(numbers);
    const found = new Set<number>();
    for (let mask = 1; mask < 2 ** numbers.length - 1; mask++) {
      const left = values(numbers.filter((_, index) => mask & (1 << index)));
      const right = values(numbers.filter((_, index) => !(mask & (1 << index))));
      for (const first of left) {
        for (const second of right) {
          for (const value of [first + second, first - second, first * second]) found.add(value);
          if (second !== 0) found.add(first / second);
        }
      }
    }
    return found;
  }

  it('finds an expression if and only if there is one', () => {
    const random = new Random(2, 'solver');
    let solvable = 0;
    for (let round = 0; round < 60; round++) {
      const numbers = Array.from({ length: 2 + (round % 3) }, () => random.integer(13));
      const reachable = [...values(numbers)];
      for (let target = 1; target <= 30; target++) {
        const expression = solveCountdown(numbers, target);
        const expected = reachable.some((value) => Math.abs(value - target) < 1e-9);
        assert.equal(expression !== null, expected, `${numbers} = ${target}`);
        if (expression === null) continue;
        solvable++;
        const read = readArithmetic(expression);
        assert.ok(Math.abs((read?.value ?? Number.NaN) - target) < 1e-9, `${expression} = ${target}`);
        assert.deepEqual([...(read?.literals ?? [])].sort(), [...numbers].sort());
      }
    }
    assert.ok(solvable > 300);
  });

  it('finds expressions with an intermediate fraction', () => {
    assert.equal(readArithmetic(solveCountdown([8, 3, 8, 3], 24) ?? '')?.value.toFixed(6), '24.000000');
    assert.equal(readArithmetic(solveCountdown([1, 5, 5, 5], 24) ?? '')?.value.toFixed(6), '24.000000');
    assert.equal(solveCountdown([1, 1, 1], 99), null);
  });
});

describe('Countdown rows', () => {
  it('are parsed from both formats', () => {
    assert.deepEqual(countdown.parse({ input: '30,100,93', output: '23' }), row);
    assert.deepEqual(countdown.parse({ numbers: [30, 100, 93], target: 23, completion: 'x' }), row);
    assert.deepEqual(countdown.parse({ numbers: '[30, 100, 93]', target: ' 23 ' }), row);
    assert.deepEqual(countdown.parse({ nums: ['30', 100, 93], target: 23 }), row);
  });

  it('report the error', () => {
    const cases: [unknown, RegExp][] = [
      [null, /object/],
      [[], /numbers/],
      [{}, /numbers/],
      [{ numbers: [1, 2] }, /target/],
      [{ numbers: [1], target: 1 }, /numbers: .*two to eight/],
      [{ numbers: Array(9).fill(1), target: 1 }, /two to eight/],
      [{ numbers: 'a,b', target: 3 }, /numbers/],
      [{ numbers: [1.5, 2], target: 3 }, /numbers/],
      [{ numbers: [-1, 2], target: 3 }, /numbers/],
      [{ numbers: [1, null], target: 3 }, /numbers/],
      [{ numbers: [1, ''], target: 3 }, /numbers/],
      [{ numbers: [1, 2], target: 'three' }, /target/],
      [{ numbers: [1, 2], target: 1e300 }, /target/],
      [{ numbers: [1, 2], target: true }, /target/],
    ];
    for (const [record, message] of cases) {
      assert.throws(
        () => countdown.parse(record),
        (error) => error instanceof UserError && message.test(error.message),
        JSON.stringify(record),
      );
    }
  });
});

describe('Countdown rewards', () => {
  const cases: [string, number, number][] = [
    // completion, reference, released
    ['<answer>30-(100-93)</answer>', 1, 1],
    ['<answer>\n93 + 30 - 100\n</answer>', 1, 1],
    ['<answer>1</answer> <answer>93+30-100</answer>', 1, 1],
    ['<answer>93+30+100</answer>', 0.1, 0.1],
    ['<answer>93+30</answer>', 0, 0.1],
    ['<answer>93+30-100=23</answer>', 0, 0.1],
    ['<answer>23</answer>', 0, 0.1],
    ['<answer></answer>', 0, 0.1],
    ['<answer>93/0+30-100</answer>', 0, 0.1],
    ['93+30-100', 0, 0],
    ['<answer>93+30-100', 0, 0],
    [`<answer>${'('.repeat(100_000)}93+30-100</answer>`, 0, 0.1],
  ];
  it('are 1, 0.1 or 0, as in the paper or as in the released code', () => {
    for (const [text, reference, released] of cases) {
      assert.equal(countdownReward(row, text, 'reference', 'tagged').total, reference, text.slice(0, 99));
      assert.equal(countdownReward(row, text, 'released', 'tagged').total, released, text.slice(0, 99));
    }
    assert.deepEqual(countdownReward(row, '93+30-100', 'reference', 'plain'), { total: 1, parts: { reference: 1 } });
    assert.equal(countdownReward(row, '93+30', 'released', 'plain').total, 0.1);
    assert.equal(countdownReward(row, ' ', 'released', 'plain').total, 0);
    // The released code accepts Python's powers and reads the digits of a decimal as separate numbers.
    const odd = { numbers: [1, 5, 2], target: 3 };
    assert.equal(countdownReward(odd, '1.5*2', 'released', 'plain').total, 1);
    assert.equal(countdownReward(odd, '1.5*2', 'reference', 'plain').total, 0);
    assert.throws(() => countdownReward(row, '', 'rules', 'plain'), UsageError);
  });

  it('accept a value within 0.00001 of the target', () => {
    const thirds = { numbers: [1, 3, 3], target: 1 };
    assert.equal(countdownReward(thirds, '1/3*3', 'reference', 'plain').total, 1);
    assert.equal(countdownReward({ numbers: [1, 99999], target: 0 }, '1/99999', 'reference', 'plain').total, 0.1);
    assert.equal(countdownReward({ numbers: [1, 100001], target: 0 }, '1/100001', 'reference', 'plain').total, 1);
  });
});

describe('grading Countdown', () => {
  it('accepts answers in the formats that models use', () => {
    const forms = [
      '<answer>30 - (100 - 93)</answer>',
      '<answer>30 - (100 - 93)',
      '<answer>30 - (100 - 93)<|endoftext|>',
      '<answer>\n\\boxed{30 - (100 - 93)}\n</answer>',
      '\\boxed{93 + 30 - 100}',
      'So $\\boxed{93 + 30 - 100 = 23}$.',
      '<answer>93+30-100=23</answer>',
      '<answer>x = 93 + 30 - 100</answer>',
      '<answer>23 = 93 + 30 - 100</answer>',
      '<answer>$93 + 30 - 100$</answer>',
      '<answer>```\n93 + 30 - 100\n```</answer>',
      '<answer>93 + 30 − 100 \\times 1</answer>',
      '<answer>First 93 + 30 = 123.\n93 + 30 - 100</answer>',
    ];
    for (const form of forms.filter((text) => !text.includes('times'))) {
      assert.equal(gradeCountdown(row, form, tagged).correct, true, form);
    }
    const quarter = { numbers: [100, 4, 2], target: 50 };
    for (const form of [
      '\\boxed{\\frac{100}{4} \\times 2}',
      '<answer>100 ÷ 4 × 2</answer>',
      '<answer>100 \\div 4 \\cdot 2</answer>',
    ]) {
      assert.equal(gradeCountdown(quarter, form, tagged).correct, true, form);
    }
  });

  it('rejects everything else', () => {
    const wrong: [string, number][] = [
      // completion, format
      ['', 0],
      ['93 + 30 - 100', 0],
      ['<answer>23</answer>', 0],
      ['<answer>93 + 30 - 100 + 100 - 100</answer>', 0],
      ['<answer>9.3 + 30 - 100</answer>', 0],
      ['<answer>93 + 30 + 100</answer>', 1],
      ['<answer>93 + 30 + 100 = 23</answer>', 1],
      ['<answer>9330100</answer>', 0],
      ['<answer>100 - 93 = 7, 30 - 7 = 23</answer>', 0],
      ['<answer>93+30-100</answer> no, <answer>100+30-93</answer>', 1],
      ['<answer>93+30-100;process.exit()</answer>', 0],
    ];
    for (const [text, format] of wrong) {
      const graded = gradeCountdown(row, text, tagged);
      assert.equal(graded.correct, false, text);
      assert.deepEqual(graded.scores, { solved: { value: 0, weight: 1 }, format: { value: format, weight: 1 } }, text);
    }
    // The digits of 1.5 are not the numbers 1 and 5.
    assert.equal(gradeCountdown({ numbers: [1, 5, 2], target: 3 }, '1.5*2', plain).correct, false);
  });

  it('accepts every reference answer in both formats', () => {
    const random = new Random(3, 'solutions');
    for (let round = 0; round < 200; round++) {
      const generated = generate(random, { count: round % 2 ? 3 : 4, largest: 999 });
      for (const format of ['plain', 'tagged'] as const) {
        const answer = countdown.solution(generated, format) ?? '';
        assert.equal(gradeCountdown(generated, answer, { format, asReleased: false }).correct, true, answer);
        for (const name of countdown.rewards)
          assert.equal(countdownReward(generated, answer, name, format).total, 1, answer);
        assert.equal(gradeCountdown(generated, answer, { format, asReleased: true }).correct, true, answer);
        if (format === 'plain') assert.ok(answer.length < countdown.completionLength.plain, answer);
      }
    }
    assert.equal(countdown.solution({ numbers: [1, 1, 1], target: 99 }, 'tagged'), null);
  });

  it('handles hostile completions', () => {
    const hostile = [
      '('.repeat(100_000),
      `<answer>${'1+'.repeat(50_000)}</answer>`,
      '='.repeat(100_000),
      '1'.repeat(100_000),
      '\\frac{'.repeat(20_000),
      '\\boxed{'.repeat(20_000),
      '1 ='.repeat(30_000),
    ];
    for (const text of hostile) {
      for (const format of ['plain', 'tagged'] as const) {
        for (const asReleased of [false, true])
          assert.equal(gradeCountdown(row, text, { format, asReleased }).correct, false);
      }
    }
  });
});

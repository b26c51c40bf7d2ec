import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metricIntervals } from '../../src/evaluation/metrics.ts';
import {
  median,
  pairedDifference,
  passAtK,
  rateDifference,
  rateInterval,
  shareInterval,
  wilsonInterval,
} from '../../src/evaluation/statistics.ts';
import { UserError } from '../../src/platform/errors.ts';
import { Random } from '../../src/platform/random.ts';
import type { Interval } from '../../src/protocol/interval.ts';
import type { Score } from '../../src/tasks/task.ts';

const near = (actual: number, expected: number, tolerance = 1e-9) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);
const answers = (bits: readonly number[]): Score[] => bits.map((value) => ({ value, weight: 1 }));
const repeat = (score: Score, times: number): Score[] => Array.from({ length: times }, () => score);
const contains = ({ low, high }: Interval, truth: number) => low <= truth && truth <= high;

test('the Wilson interval agrees with published limits', () => {
  // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
  for (const [successes, trials, low, high] of [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ] as const) {
    const interval = wilsonInterval(successes, trials);
    near(interval.value, successes / trials);
    near(interval.low, low, 5e-5);
    near(interval.high, high, 5e-5);
  }
});

test('the Wilson limits solve the score equation that defines them', () => {
  for (const trials of [1, 7, 256]) {
    for (let successes = 0; successes <= trials; successes += Math.ceil(trials / 5)) {
      const { value, low, high } = wilsonInterval(successes, trials);
      for (const limit of [low, high].filter((share) => share > 0 && share < 1)) {
        near(Math.abs(value - limit) / Math.sqrt((limit * (1 - limit)) / trials), 1.959963984540054, 1e-7);
      }
      assert.ok(low <= value && value <= high && low >= 0 && high <= 1);
    }
  }
});

test('an empty evaluation is an error, not a number', () => {
  for (const state of [
    () => wilsonInterval(0, 0),
    () => shareInterval([]),
    () => shareInterval([{ value: 0, weight: 0 }]),
    () => pairedDifference([], []),
    () => metricIntervals({ metrics: ['solved'] }, []),
  ]) {
    assert.throws(state, (error) => error instanceof UserError && /No problem was evaluated/.test(error.message));
  }
  assert.throws(() => pairedDifference(answers([1]), answers([1, 0])), /same problems on both sides.* 1 and 2/);
});

test('a value that is not a share is reported as a bug in the caller', () => {
  for (const score of [
    { value: 2, weight: 1 },
    { value: -1, weight: 1 },
    { value: Number.NaN, weight: 1 },
    { value: 0, weight: Number.POSITIVE_INFINITY },
  ]) {
    assert.throws(() => shareInterval([score]), RangeError);
    assert.throws(() => pairedDifference(answers([1]), [score]), RangeError);
  }
  assert.throws(() => wilsonInterval(3, 2), RangeError);
});

test('one yes or no per item gives the Wilson interval, in any unit', () => {
  const bits = [1, 0, 1, 1, 0, 1, 1];
  assert.deepEqual(shareInterval(answers(bits)), wilsonInterval(5, 7));
  const grids = bits.map((bit) => ({ value: bit * 9, weight: 9 }));
  assert.deepEqual(shareInterval(grids), wilsonInterval(5, 7));
});

test('units of one item do not count as independent', () => {
  const together = Array.from({ length: 60 }, (_, item) => ({ value: item % 3 === 0 ? 9 : 1, weight: 10 }));
  const apart = Array.from({ length: 60 }, (_, item) => ({ value: item % 3 === 0 ? 4 : 3.5, weight: 10 }));
  const width = (interval: Interval) => interval.high - interval.low;
  const units = wilsonInterval(220, 600);
  near(shareInterval(together).value, units.value);
  near(shareInterval(apart).value, units.value);
  assert.ok(width(shareInterval(together)) > 1.8 * width(units));
  near(width(shareInterval(apart)), width(units), 1e-9);
});

test('a ratio weighs items by their size and agrees with the linearised variance in closed form', () => {
  const items = [
    { value: 1, weight: 2 },
    { value: 3, weight: 4 },
    { value: 5, weight: 10 },
    { value: 2, weight: 8 },
  ];
  const interval = shareInterval(items);
  near(interval.value, 11 / 24);
  // By hand: residuals 1/12, 28/24, 10/24, -40/24 over 24; t(3) = 3.1824.
  const squares = [1 / 12, 28 / 24, 10 / 24, -40 / 24].reduce((sum, residual) => sum + (residual / 24) ** 2, 0);
  const trials = (((11 / 24) * (13 / 24)) / ((4 / 3) * squares)) * (1.959964 / 3.1824) ** 2;
  const expected = wilsonInterval((11 / 24) * trials, trials);
  near(interval.low, expected.low, 0.005);
  near(interval.high, expected.high, 0.005);
});

test('all correct and all wrong give intervals that shrink with the number of items', () => {
  const right = shareInterval(repeat({ value: 10, weight: 10 }, 256));
  assert.equal(right.value, 1);
  assert.equal(right.high, 1);
  near(right.low, wilsonInterval(256, 256).low);
  const wrong = shareInterval(repeat({ value: 0, weight: 10 }, 16));
  assert.deepEqual([wrong.value, wrong.low], [0, 0]);
  near(wrong.high, wilsonInterval(0, 16).high);
  const single = shareInterval([{ value: 3, weight: 10 }]);
  assert.ok(single.low < 0.1 && single.high > 0.8, 'one item says almost nothing');
});

/** Items of 6 to 11 cells. In a share of them all cells are correct; in the others cells are correct independently. */
function sudokus(random: Random, count: number, solved: number, cell: number): Score[] {
  return Array.from({ length: count }, () => {
    const weight = 6 + random.integer(6);
    const all = random.uniform() < solved;
    let value = 0;
    for (let index = 0; index < weight; index++) if (all || random.uniform() < cell) value++;
    return { value, weight };
  });
}

test('the clustered interval covers the true value about 95 times in 100', () => {
  for (const [count, solved, cell] of [
    [20, 0.4, 0.5],
    [64, 0.9, 0.5],
    [256, 0.7, 0.5],
  ] as const) {
    const random = new Random(3, 'coverage', count);
    const truth = solved + (1 - solved) * cell;
    let covered = 0;
    for (let trial = 0; trial < 800; trial++) {
      if (contains(shareInterval(sudokus(random, count, solved, cell)), truth)) covered++;
    }
    assert.ok(covered / 800 > 0.925 && covered / 800 < 0.985, `${count} items: covered ${covered / 800}`);
  }
});

test("the paired interval is Bonett and Price's for one yes or no per item", () => {
  const before = answers([...Array<number>(10).fill(1), ...Array<number>(6).fill(1), ...Array<number>(24).fill(0)]);
  const after = answers([
    ...Array<number>(10).fill(1),
    ...Array<number>(6).fill(0),
    ...Array<number>(14).fill(1),
    ...Array<number>(10).fill(0),
  ]);
  const gained = 15 / 42;
  const lost = 7 / 42;
  const spread = 1.959963984540054 * Math.sqrt((gained + lost - (gained - lost) ** 2) / 42);
  const interval = pairedDifference(before, after);
  near(interval.value, 8 / 40);
  near(interval.low, gained - lost - spread);
  near(interval.high, gained - lost + spread);
});

test('pairing cancels the difficulty of an item', () => {
  const bits = Array.from({ length: 200 }, (_, item) => item % 2);
  const improved = bits.map((bit, item) => (item < 20 ? 1 : bit));
  const interval = pairedDifference(answers(bits), answers(improved));
  near(interval.value, 0.05);
  assert.ok(interval.low > 0, 'ten items improved and none got worse: a gain');
  const unpaired = wilsonInterval(110, 200).low - wilsonInterval(100, 200).high;
  assert.ok(unpaired < 0, 'two separate intervals would overlap');
});

test('the paired difference is antisymmetric and lies within its interval', () => {
  const random = new Random(5, 'pairs');
  for (let trial = 0; trial < 200; trial++) {
    const before = sudokus(random, 1 + random.integer(20), random.uniform(), random.uniform());
    const after = before.map(({ weight }) => ({ value: random.integer(weight + 1), weight }));
    const forth = pairedDifference(before, after);
    const back = pairedDifference(after, before);
    near(forth.value, -back.value);
    near(forth.low, -back.high);
    near(forth.high, -back.low);
    assert.ok(forth.low <= forth.value && forth.value <= forth.high && forth.low >= -1 && forth.high <= 1);
  }
});

test('the interval keeps a width if no item or every item changed', () => {
  const same = pairedDifference(answers(Array(50).fill(1)), answers(Array(50).fill(1)));
  assert.equal(same.value, 0);
  assert.ok(same.low < -0.03 && same.high > 0.03);
  const all = pairedDifference(answers(Array(50).fill(0)), answers(Array(50).fill(1)));
  assert.deepEqual([all.value, all.high], [1, 1]);
  assert.ok(all.low < 0.97 && all.low > 0.8);
  const one = pairedDifference(answers([0]), answers([1]));
  assert.ok(one.low < 0, 'one item proves no gain');
});

test('the paired interval covers the true value, also for ratios of unequal items', () => {
  const random = new Random(4, 'paired coverage');
  let covered = 0;
  for (let trial = 0; trial < 800; trial++) {
    const before = sudokus(random, 128, 0.5, 0.4);
    // Half of the items keep their outcome; the others are drawn again with a higher probability.
    const after = before.map((score) => {
      if (random.uniform() < 0.5) return score;
      const all = random.uniform() < 0.8;
      let value = 0;
      for (let index = 0; index < score.weight; index++) if (all || random.uniform() < 0.4) value++;
      return { value, weight: score.weight };
    });
    if (contains(pairedDifference(before, after), 0.5 * (0.8 + 0.2 * 0.4 - (0.5 + 0.5 * 0.4)))) covered++;
  }
  assert.ok(covered / 800 > 0.93 && covered / 800 < 0.99, `covered ${covered / 800}`);
});

/** Share of the k-subsets of `samples` that contain one of the first `correct`, by enumeration. */
function passByEnumeration(samples: number, correct: number, k: number): number {
  let subsets = 0;
  let passes = 0;
  for (let bits = 0; bits < 2 ** samples; bits++) {
    const chosen = Array.from({ length: samples }, (_, sample) => sample).filter((sample) => bits & (1 << sample));
    if (chosen.length !== k) continue;
    subsets++;
    if (chosen.some((sample) => sample < correct)) passes++;
  }
  return passes / subsets;
}

test('pass@k equals the share of all k-subsets that contain a correct sample', () => {
  for (let samples = 1; samples <= 8; samples++) {
    for (let correct = 0; correct <= samples; correct++) {
      for (let k = 1; k <= samples; k++) near(passAtK(samples, correct, k), passByEnumeration(samples, correct, k));
    }
  }
});

test('pass@k is exact at its limits and stable for many samples', () => {
  assert.equal(passAtK(10, 0, 3), 0);
  assert.equal(passAtK(10, 10, 3), 1);
  assert.equal(passAtK(10, 8, 3), 1);
  near(passAtK(1_000_000, 1, 1000), 0.001, 1e-12);
  near(passAtK(10_000, 9_000, 1000), 1);
  near(passAtK(200, 3, 1), 3 / 200, 1e-15);
});

test('pass@k rejects invalid arguments', () => {
  assert.throws(() => passAtK(3, 1, 4), /pass@4 needs at least 4 samples per problem; there are 3/);
  assert.throws(() => passAtK(3, 4, 1), RangeError);
  assert.throws(() => passAtK(3, -1, 1), RangeError);
  assert.throws(() => passAtK(3, 1, 0), RangeError);
  assert.throws(() => passAtK(3, 1, 1.5), RangeError);
  assert.throws(() => passAtK(0, 0, 1), UserError);
});

test('the interval of pass@k is over problems: more samples of few problems hardly narrow it', () => {
  const problem = (samples: number, correct: number) =>
    Array.from({ length: samples }, (_, sample) => ({
      correct: sample < correct,
      extracted: null,
      scores: { solved: { value: Number(sample < correct), weight: 1 } },
    }));
  const passAt = (k: number, problems: ReturnType<typeof problem>[]) =>
    metricIntervals({ metrics: ['solved'] }, problems)[`pass@${k}`]!;
  const few = passAt(1, [problem(100, 90), problem(100, 5)]);
  near(few.value, 0.475);
  assert.ok(few.high - few.low > 0.6);
  const many = passAt(
    4,
    Array.from({ length: 100 }, (_, item) => problem(4, item % 5)),
  );
  near(many.value, 0.8);
  assert.deepEqual(many, wilsonInterval(80, 100));
});

test('the median is the middle value, or the mean of the two middle values', () => {
  assert.equal(median([5]), 5);
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([10, 1, 9, 2]), 5.5);
  assert.throws(() => median([]), /median of an empty list/);
});

test('a rate over items has the interval of a ratio, and a paired difference cancels common effects', () => {
  const items = [
    { value: 4, weight: 2 },
    { value: 3, weight: 1 },
    { value: 8, weight: 3 },
    { value: 5, weight: 2 },
  ];
  const { value, low, high } = rateInterval(items);
  near(value, 2.5);
  // Residuals -1, .5, .5, 0 over a weight of 8; Student's quantile of 3 degrees of freedom.
  const spread = 3.182 * Math.sqrt((4 / 3) * (1.5 / 64));
  near(low, 2.5 - spread, 1e-3);
  near(high, 2.5 + spread, 1e-3);
  const more = items.map((item) => ({ ...item, value: item.value + 0.5 * item.weight }));
  for (const bound of Object.values(rateDifference(items, more))) near(bound, 0.5);
  const other = items.map((item, index) => ({ ...item, value: item.value + index }));
  const difference = rateDifference(items, other);
  near(difference.value, 6 / 8);
  assert.ok(difference.low < difference.value && difference.value < difference.high);
  near(rateDifference(other, items).value, -6 / 8);
  assert.deepEqual(rateInterval(items.slice(0, 1)).high, Number.POSITIVE_INFINITY);
});

test('the interval of a rate covers the true value in about 95 of 100 samples of items', () => {
  let covered = 0;
  const rounds = 600;
  for (let round = 0; round < rounds; round++) {
    const random = new Random(round, 'rates');
    // Items of 5 to 24 characters with about 2 bits each, and an effect common to the whole item.
    const items = Array.from({ length: 40 }, () => {
      const weight = 5 + random.integer(20);
      return { value: weight * (2 + 0.6 * random.normal()) + random.normal(), weight };
    });
    covered += Number(contains(rateInterval(items), 2));
  }
  assert.ok(covered / rounds > 0.92 && covered / rounds < 0.975, `${covered} of ${rounds}`);
});

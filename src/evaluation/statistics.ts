import { UserError } from '../platform/errors.ts';
import type { Interval } from '../protocol/interval.ts';
import type { Score } from '../tasks/task.ts';

/** Two-sided 95 % quantile of the standard normal distribution. */
const z = 1.959963984540054;

/**
 * Wilson's score interval of a share (E. B. Wilson, "Probable inference, the law of succession, and statistical
 * inference", 1927). It keeps its coverage near 0 and 1 and for few trials, where the normal approximation fails.
 */
export function wilsonInterval(successes: number, trials: number): Interval {
  if (!(trials > 0)) throw new UserError('No problem was evaluated, so there is no result; give at least one.');
  if (!(successes >= 0 && successes <= trials)) throw new RangeError(`${successes} of ${trials} is not a share.`);
  const value = successes / trials;
  const centre = (value + z ** 2 / (2 * trials)) / (1 + z ** 2 / trials);
  const halfWidth =
    (z / (1 + z ** 2 / trials)) * Math.sqrt((value * (1 - value)) / trials + z ** 2 / (4 * trials ** 2));
  // At 0 and 1 a limit equals the value exactly, and rounding must not move it beyond.
  return {
    value,
    low: Math.min(value, Math.max(0, centre - halfWidth)),
    high: Math.max(value, Math.min(1, centre + halfWidth)),
  };
}

/**
 * A metric over items and its interval: the sum of values over the sum of weights. The cells, samples or answers of
 * one item are correlated; only items are independent.
 *
 * One yes or no per item gives Wilson's interval. Otherwise the variance of the ratio is linearised (Taylor series;
 * W. G. Cochran, "Sampling Techniques", 1977, section 6.3), with the residual `value - ratio * weight` of each item,
 * and enters Wilson's interval as an effective number of trials, as in surveys (E. L. Korn and B. I. Graubard,
 * "Confidence intervals for proportions with small expected number of positive counts estimated from survey data",
 * 1998). Reasons for this choice over an item bootstrap: the limits stay within 0 and 1, an all-right or all-wrong
 * result keeps a width, and no random numbers are needed.
 */
export function shareInterval(items: readonly Score[]): Interval {
  checkShares(items);
  const { ratio, weight, residuals } = linearise(items);
  const oneBitEach = items.every((item) => item.weight === items[0]?.weight && item.value % item.weight === 0);
  // If all units are right or all are wrong, their correlation within an item is unknown, so only items are counted.
  const extreme = Math.min(ratio, 1 - ratio) < 1e-12;
  const effective = oneBitEach || extreme ? items.length : effectiveTrials(ratio, weight, residuals);
  return { ...wilsonInterval(ratio * effective, effective), value: ratio };
}

/** The effective number of independent trials, at most the number of units. */
function effectiveTrials(ratio: number, weight: number, residuals: readonly number[]): number {
  const items = residuals.length;
  if (items === 1) return 1;
  const variance = (items / (items - 1)) * residuals.reduce((sum, residual) => sum + residual ** 2, 0);
  // Student's quantile instead of the normal one accounts for the variance being estimated from these items.
  const trials = ((ratio * (1 - ratio)) / variance) * (z / studentQuantile(items - 1)) ** 2;
  return Math.min(trials, Math.max(weight, items));
}

/** The quantiles of 1 to 4 degrees of freedom, where the expansion is off by more than a thousandth. */
const fewRuns = [12.706, 4.303, 3.182, 2.776];

/** Two-sided 95 % quantile of Student's distribution (expansion in 1 / freedom; M. Abramowitz and I. Stegun, 26.7.5). */
function studentQuantile(freedom: number): number {
  const known = fewRuns[freedom - 1];
  if (known !== undefined) return known;
  const first = (z ** 3 + z) / 4;
  const second = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  const third = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384;
  return z + first / freedom + second / freedom ** 2 + third / freedom ** 3;
}

/**
 * The change of a metric between two results on the same items, `after` minus `before`, with the interval of the
 * paired difference: the difficulty of an item, which both share, cancels.
 *
 * Linearised like `shareInterval`, after adding two items, one solved only before and one solved only after. For one
 * yes or no per item this is the adjusted Wald interval of D. G. Bonett and R. M. Price, "Adjusted Wald confidence
 * interval for a difference of binomial proportions based on paired data", 2012. It keeps a width if no item or every
 * item changed. `value` is the plain difference, without the two added items.
 */
export function pairedDifference(before: readonly Score[], after: readonly Score[]): Interval {
  if (before.length !== after.length) {
    throw new UserError(
      `A paired comparison needs the same problems on both sides, but there are ${before.length} and ${after.length}.`,
    );
  }
  checkShares(before);
  checkShares(after);
  const value = linearise(after).ratio - linearise(before).ratio;
  const [solved, failed] = [1, 0].map((share) => (items: readonly Score[]) => {
    const weight = items.reduce((sum, item) => sum + item.weight, 0) / items.length;
    return { value: share * weight, weight };
  }) as [(items: readonly Score[]) => Score, (items: readonly Score[]) => Score];
  const earlier = linearise([...before, solved(before), failed(before)]);
  const later = linearise([...after, failed(after), solved(after)]);
  const centre = later.ratio - earlier.ratio;
  const variance = later.residuals.reduce((sum, residual, item) => sum + (residual - earlier.residuals[item]!) ** 2, 0);
  const halfWidth = z * Math.sqrt(variance);
  return { value, low: Math.max(-1, centre - halfWidth), high: Math.min(1, centre + halfWidth) };
}

/**
 * A rate over items, such as bits per character, and its interval: the sum of values over the sum of weights,
 * linearised as in `shareInterval`, with Student's quantile. The interval of a single item is unbounded.
 */
export function rateInterval(items: readonly Score[]): Interval {
  const { ratio, residuals } = linearise(items, Number.POSITIVE_INFINITY);
  return around(ratio, residuals);
}

/** The change of a rate between two results on the same items, `after` minus `before`, as in `pairedDifference`. */
export function rateDifference(before: readonly Score[], after: readonly Score[]): Interval {
  const [earlier, later] = [before, after].map((items) => linearise(items, Number.POSITIVE_INFINITY));
  return around(
    later!.ratio - earlier!.ratio,
    later!.residuals.map((residual, item) => residual - (earlier!.residuals[item] as number)),
  );
}

function around(value: number, residuals: readonly number[]): Interval {
  const items = residuals.length;
  if (items < 2) return { value, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  const variance = (items / (items - 1)) * residuals.reduce((sum, residual) => sum + residual ** 2, 0);
  const halfWidth = studentQuantile(items - 1) * Math.sqrt(variance);
  return { value, low: value - halfWidth, high: value + halfWidth };
}

/**
 * Unbiased estimate of the probability that at least one of `k` samples is right, from `correct` right ones among
 * `samples`: 1 - C(samples - correct, k) / C(samples, k), as a product that neither overflows nor cancels (M. Chen et
 * al., "Evaluating large language models trained on code", arXiv 2107.03374, section 2.1).
 */
export function passAtK(samples: number, correct: number, k: number): number {
  if (!(Number.isInteger(k) && k >= 1)) throw new RangeError(`pass@k needs an integer k of at least 1, got ${k}.`);
  if (!Number.isInteger(samples) || samples < k) {
    throw new UserError(`pass@${k} needs at least ${k} samples per problem; there are ${samples}.`);
  }
  if (!(Number.isInteger(correct) && correct >= 0 && correct <= samples)) {
    throw new RangeError(`${correct} of ${samples} samples cannot be right.`);
  }
  if (samples - correct < k) return 1;
  // C(samples - correct, k) / C(samples, k) is symmetric in k and correct; the shorter product is more accurate.
  let allWrong = 1;
  const [few, many] = k < correct ? [k, correct] : [correct, k];
  for (let i = 0; i < few; i++) allWrong *= (samples - many - i) / (samples - i);
  return 1 - allWrong;
}

/**
 * The mean over independent runs and its interval by Student's distribution, limited to `least` and `most` (default:
 * the limits of a share). Null for a single run, which says nothing about the variation between runs.
 */
export function meanOfRuns(values: readonly number[], [least, most] = [0, 1]): Interval | null {
  if (values.length < 2) return null;
  const value = values.reduce((sum, one) => sum + one, 0) / values.length;
  const variance = values.reduce((sum, one) => sum + (one - value) ** 2, 0) / (values.length - 1);
  const halfWidth = studentQuantile(values.length - 1) * Math.sqrt(variance / values.length);
  return { value, low: Math.max(least, value - halfWidth), high: Math.min(most, value + halfWidth) };
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) throw new Error('the median of an empty list is undefined');
  return ((sorted[Math.ceil(middle) - 1] as number) + (sorted[Math.floor(middle)] as number)) / 2;
}

/**
 * The ratio of sums (at most 1 for a share), and each item's residual as its contribution to the error of the ratio.
 */
function linearise(items: readonly Score[], most = 1): { ratio: number; weight: number; residuals: number[] } {
  const weight = items.reduce((sum, item) => sum + item.weight, 0);
  const ratio = Math.min(most, items.reduce((sum, item) => sum + item.value, 0) / weight);
  return { ratio, weight, residuals: items.map((item) => (item.value - ratio * item.weight) / weight) };
}

function checkShares(items: readonly Score[]): void {
  for (const { value, weight } of items) {
    if (!(value >= 0 && value <= weight && Number.isFinite(weight))) {
      throw new RangeError(`A score of ${value} out of ${weight} is not a share.`);
    }
  }
  if (!items.some(({ weight }) => weight > 0)) {
    throw new UserError('No problem was evaluated, so there is no result; give at least one.');
  }
}

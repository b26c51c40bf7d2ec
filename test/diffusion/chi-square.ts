import assert from 'node:assert/strict';

/**
 * Asserts that counts agree with expected shares (any positive scale) by Pearson's chi-square test at a level of one in
 * a hundred thousand. The seeds are fixed, so the result is deterministic.
 */
export function assertFrequencies(counts: readonly number[], shares: readonly number[], what = 'frequencies'): void {
  assert.equal(counts.length, shares.length, what);
  const [drawn, whole] = [sum(counts), sum(shares)];
  const statistic = sum(
    counts.map((count, index) => {
      const expected = (drawn * shares[index]!) / whole;
      return (count - expected) ** 2 / expected;
    }),
  );
  // Wilson and Hilferty's approximation of the chi-square quantile; 4.265 is the normal one.
  const freedom = counts.length - 1;
  const limit = freedom * (1 - 2 / (9 * freedom) + 4.265 * Math.sqrt(2 / (9 * freedom))) ** 3;
  assert.ok(statistic < limit, `${what}: chi-square ${statistic} of ${counts} against ${shares}, at most ${limit}`);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, number) => all + number, 0);

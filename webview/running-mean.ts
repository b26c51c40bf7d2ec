/**
 * The mean of the values in a window centred on each value; null if there are none. At the ends, the window is shortened
 * on both sides, so that a slope keeps its direction.
 */
export function runningMean(values: readonly (number | null)[], window: number): (number | null)[] {
  const sums = new Float64Array(values.length + 1);
  const counts = new Int32Array(values.length + 1);
  values.forEach((value, at) => {
    sums[at + 1] = (sums[at] as number) + (value ?? 0);
    counts[at + 1] = (counts[at] as number) + Number(value !== null);
  });
  return values.map((_, at) => {
    const half = Math.min(Math.floor(window / 2), at, values.length - 1 - at);
    const [from, to] = [at - half, at + half + 1];
    const count = (counts[to] as number) - (counts[from] as number);
    return count === 0 ? null : ((sums[to] as number) - (sums[from] as number)) / count;
  });
}

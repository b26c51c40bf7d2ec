/**
 * The mean of the values within half a window before and behind each, null where there are none; at the ends the window
 * is cut on both sides alike, so that a slope does not bend there.
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

import type { HostTensor } from '../graph/tensor.ts';

/** A weight above this multiple of its tensor's root mean square, as estimated by `outlierOf`, is an outlier. */
export const outlierRatio = 1e4;

/** Values of a tensor from which its median is estimated. */
const medianSample = 10_001;
/** Root mean square of a normal distribution, divided by the median of its absolute values. */
const normalRatio = 1.4826;
/** The largest values, which do not count in the root mean square that they are compared with. */
const leftOut = 16;

/**
 * The largest absolute value of a tensor, divided by the root mean square of the others. The root mean square of all values will not
 * do, because one of n values is at most sqrt(n) times as large. It is estimated in two ways, and the larger one counts: from the
 * median of the absolute values, as for a normal distribution, and without the largest values. The median alone would be misled by a
 * tensor of which training has changed only some rows. 0 if at least half of the values are 0.
 */
export function outlierOf({ data }: Pick<HostTensor, 'data'>): number {
  const step = Math.max(1, Math.floor(data.length / medianSample));
  const sample: number[] = [];
  /** In ascending order. */
  const largest: number[] = [];
  let squares = 0;
  for (let index = 0; index < data.length; index++) {
    const value = Math.abs(data[index] as number);
    squares += value * value;
    if (index % step === 0) sample.push(value);
    if (largest.length === leftOut && value <= largest[0]!) continue;
    if (largest.length === leftOut) largest.shift();
    const at = largest.findIndex((one) => one > value);
    largest.splice(at < 0 ? largest.length : at, 0, value);
  }
  const median = sample.sort((a, b) => a - b)[Math.floor(sample.length / 2)] ?? 0;
  if (median === 0) return 0;
  const rest = data.length > 2 * leftOut ? squares - largest.reduce((sum, value) => sum + value * value, 0) : 0;
  const scale = Math.max(normalRatio * median, Math.sqrt(Math.max(0, rest) / data.length));
  return largest.at(-1)! / scale;
}

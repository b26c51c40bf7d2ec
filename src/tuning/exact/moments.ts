/** The error of a gradient estimate. Its scale is ignored, because Adam removes it. */
export interface GradientError {
  /** Cosine of the angle between the mean estimate and the true gradient. */
  readonly cosine: number;
  /** The remaining error of the mean estimate at its best scale, relative to the true gradient. */
  readonly bias: number;
  /** The bias that an unbiased estimator would show after this number of draws. */
  readonly bias_error: number;
  /** The standard deviation of one estimate relative to the length of the mean. */
  readonly noise: number;
}

/** Running mean and variance of vectors (Welford, 1962). */
export class Moments {
  readonly mean: Float64Array;
  readonly #squares: Float64Array;
  count = 0;

  constructor(size: number) {
    this.mean = new Float64Array(size);
    this.#squares = new Float64Array(size);
  }

  add(vector: Float64Array): void {
    this.count++;
    for (let index = 0; index < vector.length; index++) {
      const fromOldMean = (vector[index] as number) - (this.mean[index] as number);
      this.mean[index] = (this.mean[index] as number) + fromOldMean / this.count;
      const fromNewMean = (vector[index] as number) - (this.mean[index] as number);
      this.#squares[index] = (this.#squares[index] as number) + fromOldMean * fromNewMean;
    }
  }

  /** The total variance over all coordinates. */
  get variance(): number {
    return this.#squares.reduce((sum, squares) => sum + squares, 0) / Math.max(1, this.count - 1);
  }

  /** The error of the estimates whose moments these are. */
  against(truth: Float64Array): GradientError {
    const [size, length] = [norm(this.mean), norm(truth)];
    const cosine = dot(this.mean, truth) / (size * length);
    const noise = Math.sqrt(this.variance) / size;
    // At its best scale, the relative error of the mean is the sine of the angle.
    return { cosine, bias: Math.sqrt(Math.max(0, 1 - cosine ** 2)), bias_error: noise / Math.sqrt(this.count), noise };
  }
}

export function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] as number), 0);
}

export const norm = (vector: Float64Array): number => Math.sqrt(dot(vector, vector));

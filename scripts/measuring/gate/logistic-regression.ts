/** One example: its features without the constant, and whether it is positive. */
export interface Example {
  readonly features: readonly number[];
  readonly isPositive: boolean;
}

export interface LogisticModel {
  readonly bias: number;
  readonly weights: readonly number[];
}

/** Strength of the penalty on the squared weights of features that are scaled to a standard deviation of 1. */
const penalty = 3;
const mostRounds = 25;

/** Logistic regression with an L2 penalty, by Newton's method. */
export function fitLogistic(examples: readonly Example[]): LogisticModel {
  const scale = deviations(examples);
  const size = scale.length + 1;
  const scaled = examples.map(({ features }) => [1, ...features.map((value, index) => value / scale[index]!)]);
  const weights = new Float64Array(size);
  for (let round = 0; round < mostRounds; round++) {
    const gradient = weights.map((weight, index) => (index === 0 ? 0 : -penalty * weight));
    const hessian = Array.from({ length: size }, (_, row) => {
      const values = new Float64Array(size);
      values[row] = row === 0 ? 1e-9 : penalty;
      return values;
    });
    for (const [index, values] of scaled.entries()) {
      const probability = sigmoid(values.reduce((sum, value, place) => sum + value * weights[place]!, 0));
      const error = Number(examples[index]!.isPositive) - probability;
      const curvature = probability * (1 - probability);
      for (let row = 0; row < size; row++) {
        const value = values[row]!;
        if (value === 0) continue;
        gradient[row]! += error * value;
        for (let column = 0; column < size; column++) hessian[row]![column]! += curvature * value * values[column]!;
      }
    }
    const step = solve(hessian, gradient);
    for (let index = 0; index < size; index++) weights[index]! += step[index]!;
    if (Math.max(...step.map(Math.abs)) < 1e-7) break;
  }
  return { bias: weights[0]!, weights: scale.map((deviation, index) => weights[index + 1]! / deviation) };
}

export const sigmoid = (score: number): number => 1 / (1 + Math.exp(-score));

/** The probability that an example is positive. */
export const predict = ({ bias, weights }: LogisticModel, features: readonly number[]): number =>
  sigmoid(features.reduce((sum, value, index) => sum + value * weights[index]!, bias));

/** Standard deviations of the features; 1 for a constant one. */
function deviations(examples: readonly Example[]): number[] {
  const count = examples[0]?.features.length ?? 0;
  return Array.from({ length: count }, (_, index) => {
    const values = examples.map(({ features }) => features[index]!);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    return deviation === 0 ? 1 : deviation;
  });
}

/** Solves a linear system by elimination with pivots. */
export function solve(matrix: readonly Float64Array[], right: Float64Array): Float64Array {
  const size = right.length;
  const rows = matrix.map((row, index) => Float64Array.from([...row, right[index]!]));
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++)
      if (Math.abs(rows[row]![column]!) > Math.abs(rows[pivot]![column]!)) pivot = row;
    [rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!];
    for (let row = 0; row < size; row++) {
      const factor = row === column ? 0 : rows[row]![column]! / rows[column]![column]!;
      if (factor !== 0)
        for (let place = column; place <= size; place++) rows[row]![place]! -= factor * rows[column]![place]!;
    }
  }
  return Float64Array.from({ length: size }, (_, index) => rows[index]![size]! / rows[index]![index]!);
}

import { sigmoid, solve } from '../gate/logistic-regression.ts';

/** An example by the indices of the features that it has, each of which counts 1. Feature 0 is the constant that all have. */
export interface SparseExample {
  readonly features: readonly number[];
  readonly isPositive: boolean;
}

/** Strength of the penalty on the squared weights, except that of the constant. */
const penalty = 3;
const mostRounds = 15;

/** The weights of a logistic regression with an L2 penalty, by Newton's method. */
export function fitSparse(examples: readonly SparseExample[], size: number): Float64Array {
  const weights = new Float64Array(size);
  for (let round = 0; round < mostRounds; round++) {
    const gradient = weights.map((weight, index) => (index === 0 ? 0 : -penalty * weight));
    const hessian = Array.from({ length: size }, (_, row) => {
      const values = new Float64Array(size);
      values[row] = row === 0 ? 1e-9 : penalty;
      return values;
    });
    for (const { features, isPositive } of examples) {
      const probability = sigmoid(features.reduce((sum, feature) => sum + weights[feature]!, 0));
      const curvature = probability * (1 - probability);
      for (const row of features) {
        gradient[row]! += Number(isPositive) - probability;
        for (const column of features) hessian[row]![column]! += curvature;
      }
    }
    const step = solve(hessian, gradient);
    for (let index = 0; index < size; index++) weights[index]! += step[index]!;
    if (Math.max(...step.map(Math.abs)) < 1e-6) break;
  }
  return weights;
}

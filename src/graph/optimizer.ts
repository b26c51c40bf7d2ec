import { cos, square, total } from './compositions.ts';
import { add, div, exp, less, matmul, minimum, mul, scalar, sqrt, state, sub, transpose, where } from './primitives.ts';
import type { Shape, Tensor } from './tensor.ts';

/**
 * The learning rate rises linearly from 0 during the warm-up. Then it stays constant, or falls to `floor` times the
 * peak at update `steps`.
 */
export interface Schedule {
  readonly learningRate: number;
  readonly warmup: number;
  readonly decay: 'constant' | 'linear' | 'cosine';
  readonly steps: number;
  readonly floor: number;
}

export interface OptimizerOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Gradients are scaled down to this global norm; 0 disables clipping. */
  readonly maxGradNorm: number;
  readonly schedule: Schedule;
  /** Names of the parameters (all matrices) that Muon updates. Absent: none. */
  readonly muon?: ReadonlySet<string>;
}

export const stepCount = 'optimizer.step';
const firstMoment = (parameter: string) => `optimizer.m.${parameter}`;
const secondMoment = (parameter: string) => `optimizer.v.${parameter}`;

/**
 * The state that an optimiser keeps in addition to the parameters: their moments and the number of updates. All of it
 * starts at 0.
 */
export function optimizerState(parameters: ReadonlyMap<string, Shape>): Map<string, Shape> {
  const shapes = new Map<string, Shape>([[stepCount, []]]);
  for (const [name, shape] of parameters) shapes.set(firstMoment(name), shape).set(secondMoment(name), shape);
  return shapes;
}

/** Learning rate of update number `step` (1 for the first), as a node of the program. */
export function scheduled(step: Tensor, { learningRate, warmup, decay, steps, floor }: Schedule): Tensor {
  const rising = warmup > 0 ? minimum(div(step, warmup), 1) : scalar(1);
  if (decay === 'constant') return mul(rising, learningRate);
  const progress = minimum(div(where(less(step, warmup), 0, sub(step, warmup)), Math.max(1, steps - warmup)), 1);
  const falling = decay === 'linear' ? sub(1, progress) : mul(add(cos(mul(progress, Math.PI)), 1), 0.5);
  return mul(mul(rising, add(mul(falling, 1 - floor), floor)), learningRate);
}

/** Decay of Muon's momentum. */
const muonMomentum = 0.95;
/** Root mean square of Muon's update. It is close to AdamW's, so that one learning rate suits both. */
const muonSize = 0.2;

/**
 * The matrix nearest to x [m, n] whose singular values are all about 1. Five steps of the Newton-Schulz iteration
 * with Muon's quintic polynomial (Jordan et al., "Muon", 2024) leave them between 0.7 and 1.2.
 */
export function orthogonalized(x: Tensor): Tensor {
  const [rows, columns] = x.shape as [number, number];
  const wide = rows > columns ? transpose(x, [1, 0]) : x;
  let y: Tensor = div(wide, add(sqrt(total(square(wide))), 1e-7));
  for (let iteration = 0; iteration < 5; iteration++) {
    const gram = matmul(y, y, { transposeB: true });
    const mixed = add(mul(gram, -4.775), mul(matmul(gram, gram), 2.0315));
    y = add(mul(y, 3.4445), matmul(mixed, y));
  }
  return rows > columns ? transpose(y, [1, 0]) : y;
}

/**
 * AdamW (arXiv 1711.05101) with clipping by the global norm, as part of the program. Returns the next value of every
 * parameter and moment, and the values to log. Weight decay skips vectors (norm gains and biases). Muon updates the
 * parameters in `muon`, scaled as in arXiv 2502.16982, equation 4: orthogonalised momentum with about the size of
 * AdamW's updates.
 */
export function optimizerStep(
  parameters: ReadonlyMap<string, Tensor>,
  gradientOf: ReadonlyMap<string, Tensor>,
  options: OptimizerOptions,
) {
  const step = add(state(stepCount, []), 1);
  const learningRate = scheduled(step, options.schedule);
  let sumOfSquares: Tensor = scalar(0);
  for (const name of parameters.keys()) sumOfSquares = add(sumOfSquares, total(square(gradientOf.get(name) as Tensor)));
  const gradNorm = sqrt(sumOfSquares);
  const clip = options.maxGradNorm > 0 ? minimum(div(options.maxGradNorm, add(gradNorm, 1e-6)), 1) : scalar(1);
  // Bias correction, 1 - beta^step, computed with exp and log: the moments start at 0 and are too small at first.
  const correction = (beta: number) => sub(1, exp(mul(step, Math.log(beta))));
  const stepSize = div(learningRate, correction(options.beta1));
  const rootCorrection = sqrt(correction(options.beta2));

  const updates = new Map<string, Tensor>([[stepCount, step]]);
  for (const [name, parameter] of parameters) {
    const g = mul(gradientOf.get(name) as Tensor, clip);
    const decays = options.weightDecay > 0 && parameter.shape.length > 1;
    const kept = decays ? mul(parameter, sub(1, mul(learningRate, options.weightDecay))) : parameter;
    if (options.muon?.has(name)) {
      const momentum = add(mul(state(firstMoment(name), parameter.shape), muonMomentum), g);
      const scale = muonSize * Math.sqrt(Math.max(...parameter.shape));
      const direction = mul(orthogonalized(add(g, mul(momentum, muonMomentum))), scale);
      updates.set(name, sub(kept, mul(direction, learningRate))).set(firstMoment(name), momentum);
      continue;
    }
    const m = add(mul(state(firstMoment(name), parameter.shape), options.beta1), mul(g, 1 - options.beta1));
    const v = add(mul(state(secondMoment(name), parameter.shape), options.beta2), mul(square(g), 1 - options.beta2));
    const direction = div(mul(m, stepSize), add(div(sqrt(v), rootCorrection), options.epsilon));
    updates.set(name, sub(kept, direction)).set(firstMoment(name), m).set(secondMoment(name), v);
  }
  return { updates, gradNorm, learningRate };
}

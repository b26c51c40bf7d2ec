import type { OptimizerOptions } from '../../graph/optimizer.ts';

/** For trainers that only evaluate a loss and make no step. */
export const evalOnlyOptimizer: OptimizerOptions = {
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 1e-8,
  weightDecay: 0,
  maxGradNorm: 0,
  schedule: { learningRate: 0, warmup: 0, decay: 'constant', steps: 1, floor: 0 },
};

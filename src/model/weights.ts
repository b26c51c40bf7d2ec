import type { Tensor } from '../graph/tensor.ts';

/** Looks a weight up by its name in the checkpoint. */
export type Weights = (name: string) => Tensor;

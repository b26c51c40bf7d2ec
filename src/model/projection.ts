import { linear } from '../graph/compositions.ts';
import { add, mul } from '../graph/primitives.ts';
import type { Tensor } from '../graph/tensor.ts';

/** Looks a weight up by its name in the checkpoint. */
export interface Weights {
  (name: string): Tensor;
  /** What an adapter adds to a projection, which is named without `.weight`; absent: nothing to any. */
  readonly lora?: (projection: string) => Lora | undefined;
}

/** The two factors of a low-rank update (LoRA, arXiv 2106.09685): [rank, in] and [out, rank]. */
export interface Lora {
  readonly a: Tensor;
  readonly b: Tensor;
  /** What the product of the factors is multiplied with: alpha / rank. */
  readonly scale: number;
}

/** The weights of a part of the model, by what is behind the part's name. */
export function weightsUnder(weight: Weights, part: string): Weights {
  const under = (name: string): Tensor => weight(`${part}.${name}`);
  const { lora } = weight;
  return lora ? Object.assign(under, { lora: (projection: string) => lora(`${part}.${projection}`) }) : under;
}

/**
 * x [..., in] through a projection of the model: W x, a bias where there is one, and (alpha / r) B (A x) where an
 * adapter stands beside it (arXiv 2106.09685, equation 3). [..., out]
 */
export function project(of: Weights, name: string, x: Tensor, bias?: Tensor): Tensor {
  const y = linear(x, of(`${name}.weight`), bias);
  const lora = of.lora?.(name);
  return lora ? add(y, linear(mul(linear(x, lora.a), lora.scale), lora.b)) : y;
}

/** Short compositions of the primitives. Models, losses and optimisers are written with them. */
import {
  add,
  exp,
  int8Matmul,
  log,
  matmul,
  mul,
  reduceMax,
  reduceSum,
  reshape,
  sigmoid,
  sin,
  stopGradient,
  sub,
} from './primitives.ts';
import { sizeOf, type Tensor } from './tensor.ts';

/** Sum of all elements: a scalar []. */
export function total(x: Tensor): Tensor {
  return reshape(
    reduceSum(
      x,
      x.shape.map((_, axis) => axis),
    ),
    [],
  );
}

/** Mean over `axes`, which keep an extent of 1. */
export function mean(x: Tensor, axes: readonly number[]): Tensor {
  const count = sizeOf(axes.map((axis) => x.shape[axis] as number));
  return mul(reduceSum(x, axes), 1 / count);
}

/** log sum exp over `axes`, which keep an extent of 1. Inputs of -1e30 represent log 0. */
export function logSumExp(x: Tensor, axes: readonly number[]): Tensor {
  const peak = stopGradient(reduceMax(x, axes));
  return add(log(reduceSum(exp(sub(x, peak)), axes)), peak);
}

export const silu = (x: Tensor): Tensor => mul(x, sigmoid(x));

export const square = (x: Tensor): Tensor => mul(x, x);

export const cos = (x: Tensor): Tensor => sin(add(x, Math.PI / 2));

/**
 * x [..., in] times a weight in checkpoint layout [out, in], plus an optional bias [out]: [..., out]. Rows of x are rounded to
 * 8 bits where the weight is kept in a `-channels` format.
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const features = x.shape.at(-1) as number;
  const rows = reshape(x, [-1, features]);
  const product = keptByChannels(weight) ? int8Matmul(rows, weight) : matmul(rows, weight, { transposeB: true });
  const result = bias ? add(product, bias) : product;
  return reshape(result, [...x.shape.slice(0, -1), weight.shape[0] as number]);
}

function keptByChannels(weight: Tensor): boolean {
  const { format } = weight.attributes as Tensor<'state'>['attributes'];
  return weight.primitive === 'state' && format !== undefined && format.endsWith('-channels');
}

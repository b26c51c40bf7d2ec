import type * as Tf from '@tensorflow/tfjs-core';
import { type PrimitiveName, type Shape, sizeOf, type Tensor } from '../../graph/tensor.ts';
import type { Tensorflow, TensorflowDevice } from './load-tensorflow.ts';

export interface Context {
  readonly tf: Tensorflow;
  readonly device: TensorflowDevice;
}

type Computed = Exclude<PrimitiveName, 'input' | 'state' | 'constant'>;
/** Computes a node from the values of its inputs, always into a new tensor. */
type Operation<P extends PrimitiveName> = (context: Context, inputs: Tf.Tensor[], node: Tensor<P>) => Tf.Tensor;

const binary =
  (name: 'add' | 'sub' | 'mul' | 'div' | 'maximum' | 'minimum' | 'equal' | 'less'): Operation<PrimitiveName> =>
  ({ tf }, [a, b]) =>
    tf[name](a!, b!);

const unary =
  (name: 'neg' | 'exp' | 'log' | 'sqrt' | 'sin' | 'sigmoid' | 'softmax' | 'logSoftmax'): Operation<PrimitiveName> =>
  ({ tf }, [x]) =>
    tf[name](x!);

const dtypes = { f32: 'float32', i32: 'int32', bool: 'bool' } as const;

/** The implementation of each primitive. It avoids kernels that are slow or missing in one of the backends. */
const operations: { readonly [P in Computed]: Operation<P> } = {
  add: binary('add'),
  sub: binary('sub'),
  mul: binary('mul'),
  div: binary('div'),
  maximum: binary('maximum'),
  minimum: binary('minimum'),
  neg: unary('neg'),
  exp: unary('exp'),
  log: unary('log'),
  sqrt: unary('sqrt'),
  sin: unary('sin'),
  sigmoid: unary('sigmoid'),
  equal: binary('equal'),
  less: binary('less'),
  // `tf.where` would broadcast its operands with the slow `Tile`.
  where: ({ tf }, operands, { shape }) => {
    const [condition, a, b] = operands.map((operand) => spread(tf, operand, shape));
    return tf.where(condition!, a!, b!);
  },
  cast: ({ tf }, [x], { attributes: { to } }) => (to === 'bool' ? tf.notEqual(x!, 0) : tf.cast(x!, dtypes[to])),
  stopGradient: ({ tf }, [x]) => tf.clone(x!),
  matmul: ({ tf, device }, [a, b], { shape, attributes: { transposeA, transposeB } }) => {
    if (device !== 'wasm') return tf.matMul(a!, b!, transposeA, transposeB);
    return wasmProducts(tf, transposeA ? turned(tf, a!) : a!, transposeB ? turned(tf, b!) : b!, shape);
  },
  int8Matmul: ({ tf, device }, [x, w], { shape }) => {
    const scale = tf.div(tf.maximum(tf.max(tf.abs(x!), [1], true), 1e-30), 127);
    const rows = tf.floor(tf.add(tf.div(x!, scale), 0.5));
    const product =
      device === 'wasm' ? wasmProducts(tf, rows, turned(tf, w!), shape) : tf.matMul(rows, w!, false, true);
    return tf.mul(product, scale);
  },
  reshape: ({ tf }, [x], { shape }) => tf.reshape(x!, [...shape]),
  transpose: ({ tf }, [x], { attributes: { permutation } }) => tf.transpose(x!, [...permutation]),
  broadcast: ({ tf }, [x], { shape }) => spread(tf, x!, shape),
  slice: ({ tf }, [x], { shape, attributes: { axis, start } }) =>
    tf.slice(
      x!,
      shape.map((_, index) => (index === axis ? start : 0)),
      [...shape],
    ),
  pad: ({ tf }, [x], { shape, attributes: { axis, before, after } }) =>
    tf.pad(
      x!,
      shape.map((_, index): [number, number] => (index === axis ? [before, after] : [0, 0])),
    ),
  concat: ({ tf }, inputs, { attributes: { axis } }) => tf.concat(inputs, axis),
  reduceSum: ({ tf }, [x], { attributes: { axes } }) => tf.sum(x!, [...axes], true),
  reduceMax: ({ tf }, [x], { attributes: { axes } }) => tf.max(x!, [...axes], true),
  softmax: unary('softmax'),
  rmsNorm: ({ tf }, [x, gain], { attributes: { epsilon } }) =>
    tf.mul(tf.div(x!, tf.sqrt(tf.add(tf.mean(tf.square(x!), -1, true), epsilon))), gain!),
  logSoftmax: unary('logSoftmax'),
  topValues: ({ tf }, [x], { attributes: { count } }) => tf.topk(x!, count).values,
  topIndices: ({ tf }, [x], { attributes: { count } }) => tf.topk(x!, count).indices,
  gather: ({ tf }, [table, indices]) => tf.gatherND(table!, tf.expandDims(indices!, -1) as Tf.Tensor),
  scatterAdd: ({ tf }, [indices, updates], { shape }) => {
    const [count, rest] = [indices!.size, shape.slice(1)];
    return tf.scatterND(tf.reshape(indices!, [count, 1]), tf.reshape(updates!, [count, ...rest]), [...shape]);
  },
  pick: ({ tf }, [x, indices], { shape }) => {
    const width = x!.shape.at(-1) as number;
    const count = sizeOf(shape);
    const positions = tf.add(tf.reshape(indices!, [count]), tf.range(0, count * width, width, 'int32'));
    return tf.reshape(tf.gatherND(tf.reshape(x!, [count * width]), tf.expandDims(positions, -1)), [...shape]);
  },
  // With the dtype float32, the WebAssembly backend returns zeros.
  oneHot: ({ tf }, [indices], { attributes: { depth } }) => tf.cast(tf.oneHot(indices!, depth), 'float32'),
  rotate: ({ tf }, [x, cosines, sines], { shape }) => {
    const half = (shape.at(-1) as number) / 2;
    const extents = [...shape.slice(0, -1), half];
    const first = tf.slice(
      x!,
      shape.map(() => 0),
      extents,
    );
    const second = tf.slice(
      x!,
      extents.map((_, axis) => (axis === shape.length - 1 ? half : 0)),
      extents,
    );
    const left = tf.sub(tf.mul(first, cosines!), tf.mul(second, sines!));
    const right = tf.add(tf.mul(second, cosines!), tf.mul(first, sines!));
    return tf.concat([left, right], -1);
  },
};

/** Computes one node. Intermediate tensors are freed. */
export function compute(context: Context, node: Tensor, inputs: Tf.Tensor[]): Tf.Tensor {
  const operation = operations[node.primitive as Computed] as Operation<PrimitiveName>;
  return context.tf.tidy(() => operation(context, inputs, node));
}

/** Broadcasts `x` to a shape. In WebAssembly, adding zeros is a hundred times faster than `Tile`. */
function spread(tf: Tensorflow, x: Tf.Tensor, shape: Shape): Tf.Tensor {
  if (x.shape.length === shape.length && x.size === sizeOf(shape)) return tf.clone(x);
  if (x.dtype === 'bool') return tf.logicalOr(tf.fill([...shape], 0, 'bool'), x);
  return tf.add(tf.fill([...shape], 0, x.dtype as 'float32' | 'int32'), x);
}

function turned(tf: Tensorflow, x: Tf.Tensor): Tf.Tensor {
  const axes = x.shape.map((_, axis) => axis);
  return tf.transpose(x, [...axes.slice(0, -2), x.rank - 1, x.rank - 2]);
}

/**
 * Products of matrices [..., m, k] and [..., k, n]. WebAssembly has a fast kernel (XNNPACK) only for two plain
 * matrices, so a batch is split, with `gatherND` because `slice` copies the whole batch each time.
 */
function wasmProducts(tf: Tensorflow, a: Tf.Tensor, b: Tf.Tensor, shape: Shape): Tf.Tensor {
  const [m, k] = a.shape.slice(-2) as [number, number];
  const n = b.shape.at(-1) as number;
  const count = sizeOf(shape.slice(0, -2));
  if (count === 1) return tf.reshape(tf.matMul(tf.reshape(a, [m, k]), tf.reshape(b, [k, n])), [...shape]);
  const lefts = tf.reshape(a, [count, m * k]);
  const rights = tf.reshape(b, [count, k * n]);
  const products = Array.from({ length: count }, (_, index) =>
    tf.tidy(() => {
      const position = tf.tensor1d([index], 'int32');
      const left = tf.reshape(tf.gatherND(lefts, position), [m, k]);
      return tf.matMul(left, tf.reshape(tf.gatherND(rights, position), [k, n]));
    }),
  );
  return tf.reshape(tf.concat(products, 0), [...shape]);
}

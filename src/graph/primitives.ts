/**
 * The primitives of a tensor program. Each one is defined here by its shape rule and its gradient, and each engine
 * executes it. Everything else is composed of primitives. The builders (the exported functions) come first in each
 * group; the rules follow in `primitives`.
 */
import {
  type Attributes,
  broadcastShapes,
  type DType,
  type HostTensor,
  type PrimitiveName,
  type Shape,
  sameShape,
  sizeOf,
  type Tensor,
  type WeightFormat,
} from './tensor.ts';

type Operand = Tensor | number;

interface Rule<P extends PrimitiveName> {
  /** Shape and dtype of the result; throws if the operands do not fit. The builders of leaves set theirs directly. */
  infer(inputs: readonly Tensor[], attributes: Attributes[P]): { readonly shape: Shape; readonly dtype: DType };
  /**
   * Gradients of a scalar with respect to each input, given its gradient `g` with respect to `node`. Null: the input
   * has no gradient.
   */
  gradient(node: Tensor<P>, g: Tensor): readonly (Tensor | null)[];
}

let created = 0;

function apply<P extends PrimitiveName>(primitive: P, inputs: readonly Tensor[], attributes: Attributes[P]): Tensor<P> {
  const rule: Rule<P> = primitives[primitive];
  try {
    return { id: created++, primitive, inputs, attributes, ...rule.infer(inputs, attributes) };
  } catch (error) {
    const operands = inputs.map((tensor) => `${tensor.dtype}[${tensor.shape}]`).join(', ');
    throw new Error(`${primitive}(${operands}): ${(error as Error).message}`);
  }
}

// Leaves -------------------------------------------------------------------------------------------------------------

export function input(name: string, shape: Shape, dtype: DType = 'f32'): Tensor<'input'> {
  return { id: created++, primitive: 'input', inputs: [], attributes: { name }, shape, dtype };
}

/** `format`: how the engine keeps a frozen matrix; its value in a program is the dequantized f32 matrix. */
export function state(name: string, shape: Shape, format?: WeightFormat): Tensor<'state'> {
  return { id: created++, primitive: 'state', inputs: [], attributes: { name, format }, shape, dtype: 'f32' };
}

export function constant({ shape, data }: HostTensor): Tensor<'constant'> {
  if (data.length !== sizeOf(shape)) throw new Error(`constant: ${data.length} values do not fill [${shape}]`);
  const dtype = data instanceof Int32Array ? 'i32' : 'f32';
  return { id: created++, primitive: 'constant', inputs: [], attributes: { data }, shape, dtype };
}

export function scalar(value: number, dtype: 'f32' | 'i32' = 'f32'): Tensor<'constant'> {
  return constant({ shape: [], data: dtype === 'f32' ? Float32Array.of(value) : Int32Array.of(value) });
}

const leaf = {
  infer(): never {
    throw new Error('leaves have their own builders');
  },
  gradient: () => [],
};

// Elementwise --------------------------------------------------------------------------------------------------------

export const add = (a: Operand, b: Operand) => binary('add', a, b);
export const sub = (a: Operand, b: Operand) => binary('sub', a, b);
export const mul = (a: Operand, b: Operand) => binary('mul', a, b);
export const div = (a: Operand, b: Operand) => binary('div', a, b);
export const maximum = (a: Operand, b: Operand) => binary('maximum', a, b);
export const minimum = (a: Operand, b: Operand) => binary('minimum', a, b);
export const equal = (a: Operand, b: Operand) => binary('equal', a, b);
export const less = (a: Operand, b: Operand) => binary('less', a, b);
export const neg = (x: Tensor) => apply('neg', [x], {});
export const exp = (x: Tensor) => apply('exp', [x], {});
export const log = (x: Tensor) => apply('log', [x], {});
export const sqrt = (x: Tensor) => apply('sqrt', [x], {});
export const sin = (x: Tensor) => apply('sin', [x], {});
export const sigmoid = (x: Tensor) => apply('sigmoid', [x], {});
export const cast = (x: Tensor, to: DType): Tensor => (x.dtype === to ? x : apply('cast', [x], { to }));
/** The value of `x` without a gradient. */
export const stopGradient = (x: Tensor) => apply('stopGradient', [x], {});

/** `condition ? a : b`, elementwise. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  return apply('where', [condition, operand(a), operand(b)], {});
}

type Binary = 'add' | 'sub' | 'mul' | 'div' | 'maximum' | 'minimum' | 'equal' | 'less';

function operand(value: Operand, dtype: DType = 'f32'): Tensor {
  return typeof value === 'number' ? scalar(value, dtype === 'i32' ? 'i32' : 'f32') : value;
}

function binary(primitive: Binary, first: Operand, second: Operand): Tensor {
  const a = operand(first, typeof second === 'number' ? 'f32' : second.dtype);
  const b = operand(second, a.dtype);
  // Elementwise operations broadcast by themselves, so an explicit broadcast of an operand is not needed.
  const shape = broadcastShapes(a.shape, b.shape);
  const narrowA = sameShape(b.shape, shape) ? withoutBroadcast(a) : a;
  const narrowB = narrowA === a && sameShape(a.shape, shape) ? withoutBroadcast(b) : b;
  return apply(primitive, [narrowA, narrowB], {});
}

const withoutBroadcast = (x: Tensor): Tensor => (x.primitive === 'broadcast' ? (x.inputs[0] as Tensor) : x);

const elementwise = (inputs: readonly Tensor[]) => {
  const [a, b] = inputs as [Tensor, Tensor];
  if (a.dtype !== b.dtype) throw new Error('operands of different dtypes');
  return { shape: broadcastShapes(a.shape, b.shape), dtype: a.dtype };
};
const comparison = (inputs: readonly Tensor[]) => ({ shape: elementwise(inputs).shape, dtype: 'bool' as const });
const same = ([x]: readonly Tensor[]) => ({ shape: x!.shape, dtype: x!.dtype });
const none = () => [];

/** Sums a gradient over the axes along which an operand of `shape` was broadcast. */
function sumTo(g: Tensor, shape: Shape): Tensor {
  if (sameShape(g.shape, shape)) return g;
  const offset = g.shape.length - shape.length;
  const axes = g.shape.flatMap((extent, axis) =>
    axis < offset || (shape[axis - offset] === 1 && extent !== 1) ? [axis] : [],
  );
  return reshape(reduceSum(g, axes), shape);
}

/**
 * The selected operand takes the gradient. If both operands are equal, each takes half, as a central difference
 * gives.
 */
function extremum(node: Tensor, g: Tensor, pickFirst: (a: Tensor, b: Tensor) => Tensor): Tensor[] {
  const [a, b] = node.inputs as [Tensor, Tensor];
  const share = where(equal(a, b), 0.5, cast(pickFirst(a, b), 'f32'));
  return [sumTo(mul(g, share), a.shape), sumTo(mul(g, sub(1, share)), b.shape)];
}

// Shapes -------------------------------------------------------------------------------------------------------------

/** One extent may be -1; it is inferred from the others. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((product, extent) => (extent === -1 ? product : product * extent), 1);
  const full = shape.map((extent) => (extent === -1 ? sizeOf(x.shape) / known : extent));
  // Only the last of several reshapes matters.
  const source = x.primitive === 'reshape' && sizeOf(full) === sizeOf(x.shape) ? (x.inputs[0] as Tensor) : x;
  return sameShape(source.shape, full) ? source : apply('reshape', [source], { shape: full });
}

export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  const stays = permutation.length === x.shape.length && permutation.every((axis, index) => axis === index);
  return stays ? x : apply('transpose', [x], { permutation });
}

export function broadcast(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : apply('broadcast', [x], { shape });
}

/** Elements [start, end) along an axis. */
export function slice(x: Tensor, axis: number, start: number, end: number): Tensor {
  return start === 0 && end === x.shape[axis] ? x : apply('slice', [x], { axis, start, end });
}

/** Zeros before and after along an axis. */
export function pad(x: Tensor, axis: number, before: number, after: number): Tensor {
  return before === 0 && after === 0 ? x : apply('pad', [x], { axis, before, after });
}

export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  return tensors.length === 1 ? (tensors[0] as Tensor) : apply('concat', tensors, { axis });
}

function withExtent(shape: Shape, axis: number, extent: number): Shape {
  if (axis < 0 || axis >= shape.length) throw new Error(`no axis ${axis}`);
  return shape.map((old, index) => (index === axis ? extent : old));
}

// Reductions and normalisations --------------------------------------------------------------------------------------

/** Sum over `axes`, which keep an extent of 1. */
export function reduceSum(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : apply('reduceSum', [x], { axes });
}

/** Maximum over `axes`, which keep an extent of 1. */
export function reduceMax(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : apply('reduceMax', [x], { axes });
}

/** Over the last axis. */
export const softmax = (x: Tensor) => apply('softmax', [x], {});
/** Over the last axis. */
export const logSoftmax = (x: Tensor) => apply('logSoftmax', [x], {});

/** Root mean square normalisation over the last axis (arXiv 1910.07467): x / sqrt(mean(x^2) + epsilon), times a gain [n]. */
export const rmsNorm = (x: Tensor, gain: Tensor, epsilon: number) => apply('rmsNorm', [x, gain], { epsilon });

/** The `count` largest values of the last axis [..., n], in descending order: [..., count]. Without gradient. */
export const topValues = (x: Tensor, count: number) => apply('topValues', [x], { count });

/** The indices of `topValues`, i32. Of equal values the one with the lower index comes first. */
export const topIndices = (x: Tensor, count: number) => apply('topIndices', [x], { count });

const topShape = (x: Tensor, count: number): Shape => {
  if (!(count >= 1 && count <= (x.shape.at(-1) ?? 0))) throw new Error(`the last axis has no ${count} values`);
  return [...x.shape.slice(0, -1), count];
};

const reduced = ([x]: readonly Tensor[], { axes }: { readonly axes: readonly number[] }) => ({
  shape: axes.reduce((shape, axis) => withExtent(shape, axis, 1), x!.shape),
  dtype: x!.dtype,
});
const normalised = (inputs: readonly Tensor[]) => {
  if (inputs[0]!.shape.length === 0) throw new Error('a scalar has no last axis');
  return same(inputs);
};
const lastAxis = (x: Tensor): number[] => [x.shape.length - 1];

// Products and look-ups ----------------------------------------------------------------------------------------------

/** Product over the last two axes, batched over equal leading axes. Either operand may be transposed. */
export function matmul(a: Tensor, b: Tensor, { transposeA = false, transposeB = false } = {}): Tensor {
  return apply('matmul', [a, b], { transposeA, transposeB });
}

/**
 * The product of x [rows, inputs] and the transpose of w [outputs, inputs], with every row of x rounded to 8 bits:
 * q = round(x / s) with s = max |row| / 127, and the result is s * (q w^T) [rows, outputs]. Where an engine keeps w in
 * `-channels` format, both factors are whole numbers and their sums are exact. Gradients are those of the product without
 * rounding (the straight-through estimator, arXiv 1308.3432).
 */
export const int8Matmul = (x: Tensor, w: Tensor) => apply('int8Matmul', [x, w], {});

/** Rows of `table` [rows, ...rest] by whole numbers of any shape: [...indices.shape, ...rest]. */
export const gather = (table: Tensor, indices: Tensor) => apply('gather', [table, indices], {});

/**
 * Adds `updates` [...indices.shape, ...rest] to zeros [rows, ...rest], each at the row of its index. This is gather's
 * gradient.
 */
export function scatterAdd(indices: Tensor, updates: Tensor, rows: number): Tensor {
  return apply('scatterAdd', [indices, updates], { rows });
}

/** One element of the last axis at each position: x [..., n] and indices [...] give [...]. */
export const pick = (x: Tensor, indices: Tensor) => apply('pick', [x, indices], {});

/** Integers [...] to f32 [..., depth], 1 where the position on the last axis equals the integer. */
export const oneHot = (indices: Tensor, depth: number) => apply('oneHot', [indices], { depth });

/**
 * Rotary embedding (RoFormer, arXiv 2104.09864, in the half-split layout of current checkpoints): x [..., length, d],
 * cosines and sines [length, d/2]. The two halves of the last axis are the two coordinates that rotate.
 */
export const rotate = (x: Tensor, cosines: Tensor, sines: Tensor) => apply('rotate', [x, cosines, sines], {});

// The rules ----------------------------------------------------------------------------------------------------------

export const primitives: { readonly [P in PrimitiveName]: Rule<P> } = {
  input: leaf,
  state: leaf,
  constant: leaf,

  add: { infer: elementwise, gradient: ({ inputs: [a, b] }, g) => [sumTo(g, a!.shape), sumTo(g, b!.shape)] },
  sub: { infer: elementwise, gradient: ({ inputs: [a, b] }, g) => [sumTo(g, a!.shape), neg(sumTo(g, b!.shape))] },
  mul: {
    infer: elementwise,
    gradient: ({ inputs: [a, b] }, g) => [sumTo(mul(g, b!), a!.shape), sumTo(mul(g, a!), b!.shape)],
  },
  div: {
    infer: elementwise,
    gradient: (node, g) => {
      const [a, b] = node.inputs as [Tensor, Tensor];
      return [sumTo(div(g, b), a.shape), neg(sumTo(mul(g, div(node, b)), b.shape))];
    },
  },
  maximum: { infer: elementwise, gradient: (node, g) => extremum(node, g, (a, b) => less(b, a)) },
  minimum: { infer: elementwise, gradient: (node, g) => extremum(node, g, (a, b) => less(a, b)) },
  neg: { infer: same, gradient: (_, g) => [neg(g)] },
  exp: { infer: same, gradient: (node, g) => [mul(g, node)] },
  log: { infer: same, gradient: ({ inputs: [x] }, g) => [div(g, x!)] },
  sqrt: { infer: same, gradient: (node, g) => [div(mul(g, 0.5), node)] },
  sin: { infer: same, gradient: ({ inputs: [x] }, g) => [mul(g, sin(add(x!, Math.PI / 2)))] },
  sigmoid: { infer: same, gradient: (node, g) => [mul(g, mul(node, sub(1, node)))] },
  equal: { infer: comparison, gradient: none },
  less: { infer: comparison, gradient: none },
  where: {
    infer: ([condition, ...values]) => {
      if (condition!.dtype !== 'bool') throw new Error('the condition must be bool');
      const { shape, dtype } = elementwise(values);
      return { shape: broadcastShapes(condition!.shape, shape), dtype };
    },
    gradient: ({ inputs }, g) => {
      const [condition, a, b] = inputs as [Tensor, Tensor, Tensor];
      return [null, sumTo(where(condition, g, 0), a.shape), sumTo(where(condition, 0, g), b.shape)];
    },
  },
  cast: { infer: ([x], { to }) => ({ shape: x!.shape, dtype: to }), gradient: none },
  stopGradient: { infer: same, gradient: none },

  matmul: {
    infer: ([a, b], { transposeA, transposeB }) => {
      const rank = a!.shape.length;
      if (a!.dtype !== 'f32' || b!.dtype !== 'f32') throw new Error('operands must be f32');
      if (rank < 2 || b!.shape.length !== rank)
        throw new Error('operands must have the same number of axes, at least 2');
      if (!sameShape(a!.shape.slice(0, -2), b!.shape.slice(0, -2))) throw new Error('leading axes differ');
      const [m, k] = a!.shape.slice(-2) as [number, number];
      const [l, n] = b!.shape.slice(-2) as [number, number];
      if ((transposeA ? m : k) !== (transposeB ? n : l)) throw new Error('inner extents differ');
      return { shape: [...a!.shape.slice(0, -2), transposeA ? k : m, transposeB ? l : n], dtype: 'f32' };
    },
    gradient: ({ inputs, attributes: { transposeA, transposeB } }, g) => {
      const [a, b] = inputs as [Tensor, Tensor];
      return [
        transposeA
          ? matmul(b, g, { transposeA: transposeB, transposeB: true })
          : matmul(g, b, { transposeB: !transposeB }),
        transposeB
          ? matmul(g, a, { transposeA: true, transposeB: transposeA })
          : matmul(a, g, { transposeA: !transposeA }),
      ];
    },
  },
  int8Matmul: {
    infer: ([x, w]) => {
      if (x!.dtype !== 'f32' || w!.dtype !== 'f32') throw new Error('operands must be f32');
      if (x!.shape.length !== 2 || w!.shape.length !== 2) throw new Error('operands must be matrices');
      if (x!.shape[1] !== w!.shape[1]) throw new Error('inner extents differ');
      return { shape: [x!.shape[0] as number, w!.shape[0] as number], dtype: 'f32' };
    },
    gradient: ({ inputs: [x, w] }, g) => [matmul(g, w!), matmul(g, x!, { transposeA: true })],
  },
  reshape: {
    infer: ([x], { shape }) => {
      if (sizeOf(shape) !== sizeOf(x!.shape) || !shape.every(Number.isInteger))
        throw new Error(`cannot be reshaped to [${shape}]`);
      return { shape, dtype: x!.dtype };
    },
    gradient: ({ inputs: [x] }, g) => [reshape(g, x!.shape)],
  },
  transpose: {
    infer: ([x], { permutation }) => {
      const axes = [...permutation].sort((a, b) => a - b);
      if (axes.length !== x!.shape.length || axes.some((axis, index) => axis !== index))
        throw new Error('not a permutation');
      return { shape: permutation.map((axis) => x!.shape[axis] as number), dtype: x!.dtype };
    },
    gradient: ({ attributes: { permutation } }, g) => [
      transpose(
        g,
        permutation.map((_, axis) => permutation.indexOf(axis)),
      ),
    ],
  },
  broadcast: {
    infer: ([x], { shape }) => {
      if (!sameShape(broadcastShapes(x!.shape, shape), shape)) throw new Error(`does not broadcast to [${shape}]`);
      return { shape, dtype: x!.dtype };
    },
    gradient: ({ inputs: [x] }, g) => [sumTo(g, x!.shape)],
  },
  slice: {
    infer: ([x], { axis, start, end }) => {
      const shape = withExtent(x!.shape, axis, end - start);
      if (start < 0 || end <= start || end > (x!.shape[axis] as number))
        throw new Error(`the range [${start}, ${end}) is empty or out of bounds`);
      return { shape, dtype: x!.dtype };
    },
    gradient: ({ inputs: [x], attributes: { axis, start, end } }, g) => [
      pad(g, axis, start, (x!.shape[axis] as number) - end),
    ],
  },
  pad: {
    infer: ([x], { axis, before, after }) => {
      if (before < 0 || after < 0) throw new Error('padding must not be negative');
      return { shape: withExtent(x!.shape, axis, (x!.shape[axis] as number) + before + after), dtype: x!.dtype };
    },
    gradient: ({ shape, attributes: { axis, before, after } }, g) => [
      slice(g, axis, before, (shape[axis] as number) - after),
    ],
  },
  concat: {
    infer: (inputs, { axis }) => {
      const first = inputs[0]!;
      if (
        inputs.some(
          (x) => x.dtype !== first.dtype || !sameShape(withExtent(x.shape, axis, 0), withExtent(first.shape, axis, 0)),
        )
      )
        throw new Error(`operands differ along other axes than ${axis}`);
      const extent = inputs.reduce((sum, x) => sum + (x.shape[axis] as number), 0);
      return { shape: withExtent(first.shape, axis, extent), dtype: first.dtype };
    },
    gradient: ({ inputs, attributes: { axis } }, g) => {
      let end = 0;
      return inputs.map((x) => {
        const start = end;
        end += x.shape[axis] as number;
        return slice(g, axis, start, end);
      });
    },
  },

  reduceSum: { infer: reduced, gradient: ({ inputs: [x] }, g) => [broadcast(g, x!.shape)] },
  reduceMax: {
    infer: reduced,
    gradient: (node, g) => {
      // If several elements reach the maximum, they share the gradient.
      const x = node.inputs[0] as Tensor;
      const reached = cast(equal(x, node), 'f32');
      return [mul(reached, div(g, reduceSum(reached, node.attributes.axes)))];
    },
  },
  softmax: {
    infer: normalised,
    gradient: (node, g) => [mul(node, sub(g, reduceSum(mul(g, node), lastAxis(node))))],
  },
  logSoftmax: {
    infer: normalised,
    gradient: (node, g) => [sub(g, mul(exp(node), reduceSum(g, lastAxis(node))))],
  },

  rmsNorm: {
    infer: ([x, gain]) => {
      if (!sameShape(gain!.shape, x!.shape.slice(-1))) throw new Error(`the gain must be [${x!.shape.slice(-1)}]`);
      return normalised([x!]);
    },
    gradient: ({ inputs, attributes: { epsilon } }, g) => {
      const [x, gain] = inputs as [Tensor, Tensor];
      const meanOf = (y: Tensor) => mul(reduceSum(y, lastAxis(x)), 1 / (x.shape.at(-1) as number));
      const root = sqrt(add(meanOf(mul(x, x)), epsilon));
      const normal = div(x, root);
      const outer = mul(g, gain);
      return [div(sub(outer, mul(normal, meanOf(mul(outer, normal)))), root), sumTo(mul(g, normal), gain.shape)];
    },
  },

  topValues: { infer: ([x], { count }) => ({ shape: topShape(x!, count), dtype: x!.dtype }), gradient: none },
  topIndices: { infer: ([x], { count }) => ({ shape: topShape(x!, count), dtype: 'i32' }), gradient: none },

  gather: {
    infer: ([table, indices]) => {
      if (indices!.dtype !== 'i32') throw new Error('indices must be i32');
      if (table!.shape.length === 0) throw new Error('the table must have at least one axis');
      return { shape: [...indices!.shape, ...table!.shape.slice(1)], dtype: table!.dtype };
    },
    gradient: ({ inputs: [table, indices] }, g) => [scatterAdd(indices!, g, table!.shape[0] as number), null],
  },
  scatterAdd: {
    infer: ([indices, updates], { rows }) => {
      const rank = indices!.shape.length;
      if (indices!.dtype !== 'i32') throw new Error('indices must be i32');
      if (updates!.dtype !== 'f32') throw new Error('updates must be f32');
      if (!sameShape(updates!.shape.slice(0, rank), indices!.shape))
        throw new Error('the leading axes of the updates must be those of the indices');
      return { shape: [rows, ...updates!.shape.slice(rank)], dtype: 'f32' };
    },
    gradient: ({ inputs: [indices] }, g) => [null, gather(g, indices!)],
  },
  pick: {
    infer: ([x, indices]) => {
      if (indices!.dtype !== 'i32') throw new Error('indices must be i32');
      if (!sameShape(x!.shape.slice(0, -1), indices!.shape))
        throw new Error('the indices must have the leading axes of the operand');
      return { shape: indices!.shape, dtype: x!.dtype };
    },
    gradient: ({ inputs: [x, indices] }, g) => {
      const position = oneHot(indices!, x!.shape.at(-1) as number);
      return [mul(position, reshape(g, [...g.shape, 1])), null];
    },
  },
  oneHot: {
    infer: ([indices], { depth }) => {
      if (indices!.dtype !== 'i32') throw new Error('indices must be i32');
      return { shape: [...indices!.shape, depth], dtype: 'f32' };
    },
    gradient: none,
  },
  rotate: {
    infer: ([x, cosines, sines]) => {
      const [length, d] = x!.shape.slice(-2) as [number, number];
      for (const table of [cosines!, sines!])
        if (!sameShape(table.shape, [length, d / 2])) throw new Error(`tables must be [${length},${d / 2}]`);
      return { shape: x!.shape, dtype: 'f32' };
    },
    // The gradient of a rotation is the inverse rotation. The tables are constants of the program.
    gradient: ({ inputs: [, cosines, sines] }, g) => [rotate(g, cosines!, neg(sines!)), null, null],
  },
};

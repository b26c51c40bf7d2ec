import type { Program } from '../../graph/program.ts';
import { type PrimitiveName, type Shape, sizeOf, type Tensor } from '../../graph/tensor.ts';
import { isChannelFormat } from '../quantization.ts';
import { elementTypeOf, OnnxGraph, type Value } from './model-file.ts';
import {
  dequantized,
  formatOf,
  gatheredRows,
  type Int8Storage,
  integerProduct,
  layoutOf,
  roundedProduct,
  scalesName,
} from './quantized.ts';

/** Execution providers of ONNX Runtime that a program can be lowered for. */
export type Provider = 'cpu' | 'webgpu' | 'cuda' | 'dml' | 'coreml';

/** A program as an ONNX model, and the names of its graph inputs and outputs. */
export interface LoweredProgram {
  readonly bytes: Uint8Array;
}

export const feedName = (name: string): string => `feed:${name}`;
export const stateName = (name: string): string => `state:${name}`;
export const outputName = (name: string): string => `output:${name}`;
export const updateName = (name: string): string => `update:${name}`;

interface Context {
  readonly graph: OnnxGraph;
  /** Adds an ONNX node. The last node of a primitive gets the result's name. */
  readonly emit: (op: string, inputs: readonly string[], attributes?: Parameters<OnnxGraph['node']>[2]) => string;
  readonly emitMicrosoft: (
    op: string,
    inputs: readonly string[],
    attributes?: Parameters<OnnxGraph['node']>[2],
  ) => string;
  readonly provider: Provider;
}

type Lower<P extends PrimitiveName> = (node: Tensor<P>, inputs: readonly string[], context: Context) => string;

const direct =
  (op: string, attributes?: Parameters<OnnxGraph['node']>[2]): Lower<PrimitiveName> =>
  (_, inputs, { emit }) =>
    emit(op, inputs, attributes);

const leaf = (): never => {
  throw new Error('leaves are lowered by their names');
};

/** Up to this many rows, a product with a one-hot matrix is faster than ScatterElements, which is single-threaded. */
const smallRowCount = 768;

/** The lowering of each primitive. Providers differ where one of them lacks a kernel or has a slow one. */
const lowerings: { readonly [P in Exclude<PrimitiveName, 'stopGradient'>]: Lower<P> } = {
  input: leaf,
  state: leaf,
  constant: ({ attributes: { data }, shape }, _, { graph }) => graph.initializer(data, shape),
  add: direct('Add'),
  sub: direct('Sub'),
  mul: direct('Mul'),
  div: direct('Div'),
  maximum: direct('Max'),
  minimum: direct('Min'),
  neg: direct('Neg'),
  exp: direct('Exp'),
  log: direct('Log'),
  sqrt: direct('Sqrt'),
  sin: direct('Sin'),
  sigmoid: direct('Sigmoid'),
  equal: direct('Equal'),
  less: direct('Less'),
  where: direct('Where'),
  cast: ({ attributes: { to } }, inputs, { emit }) => emit('Cast', inputs, { to: elementTypeOf(to) }),
  matmul: ({ attributes: { transposeA, transposeB }, inputs: [{ shape }] }, [a, b], context) =>
    product(context, shape.length, a!, b!, transposeA, transposeB),
  // Of a matrix that is kept as whole numbers, `lower` makes an integer product.
  int8Matmul: (_, [x, w], context) =>
    roundedProduct(context.graph, x!, (rows) => product(context, 2, rows, w!, false, true)),
  reshape: ({ shape }, [x], { graph, emit }) => emit('Reshape', [x!, graph.wholeNumbers(shape)]),
  transpose: ({ attributes: { permutation } }, inputs, { emit }) => emit('Transpose', inputs, { perm: permutation }),
  broadcast: ({ shape }, [x], { graph, emit }) => emit('Expand', [x!, graph.wholeNumbers(shape)]),
  slice: ({ attributes: { axis, start, end } }, [x], { graph, emit }) =>
    emit('Slice', [x!, graph.wholeNumbers([start]), graph.wholeNumbers([end]), graph.wholeNumbers([axis])]),
  pad: ({ attributes: { axis, before, after }, shape }, [x], { graph, emit }) => {
    const pads = [before, after].flatMap((count) => shape.map((_, index) => (index === axis ? count : 0)));
    return emit('Pad', [x!, graph.wholeNumbers(pads)]);
  },
  concat: ({ attributes: { axis } }, inputs, { emit }) => emit('Concat', inputs, { axis }),
  reduceSum: ({ attributes: { axes } }, [x], { graph, emit }) => emit('ReduceSum', [x!, graph.wholeNumbers(axes)]),
  reduceMax: ({ attributes: { axes } }, [x], { graph, emit }) => emit('ReduceMax', [x!, graph.wholeNumbers(axes)]),
  softmax: direct('Softmax', { axis: -1 }),
  logSoftmax: ({ inputs: [x] }, [name], { graph, emit, provider }) => {
    if (provider !== 'webgpu') return emit('LogSoftmax', [name!], { axis: -1 });
    // WebGPU has no LogSoftmax kernel and would copy the logits to the host and back.
    const axes = graph.wholeNumbers([x!.shape.length - 1]);
    const shifted = emit('Sub', [name!, emit('ReduceMax', [name!, axes])]);
    return emit('Sub', [shifted, emit('Log', [emit('ReduceSum', [emit('Exp', [shifted]), axes])])]);
  },
  gather: direct('Gather', { axis: 0 }),
  scatterAdd: ({ shape, inputs: [indices] }, [positions, values], context) => {
    const { graph, emit, provider } = context;
    const [rows, ...rest] = shape as [number, ...number[]];
    const [count, width] = [sizeOf(indices!.shape), sizeOf(rest)];
    if (provider === 'webgpu' || provider === 'cuda') {
      const column = emit('Reshape', [positions!, graph.wholeNumbers([...indices!.shape, 1])]);
      return emit('ScatterND', [zeros(context, shape), emit('Cast', [column], { to: 7 }), values!], {
        reduction: 'add',
      });
    }
    // The CPU's ScatterND, which other providers fall back to, loses sums if an index repeats, because its threads
    // are not synchronised. ScatterElements is single-threaded.
    const column = emit('Reshape', [positions!, graph.wholeNumbers([count, 1])]);
    const updates = emit('Reshape', [values!, graph.wholeNumbers([count, width])]);
    let sums: string;
    if (rows <= smallRowCount) {
      const numbers = graph.initializer(
        Int32Array.from({ length: rows }, (_, row) => row),
        [rows],
      );
      const oneHot = emit('Cast', [emit('Equal', [column, numbers])], { to: elementTypeOf('f32') });
      sums = product(context, 2, oneHot, updates, true, false);
    } else {
      const spread = emit('Expand', [column, graph.wholeNumbers([count, width])]);
      sums = emit('ScatterElements', [zeros(context, [rows, width]), spread, updates], { axis: 0, reduction: 'add' });
    }
    return emit('Reshape', [sums, graph.wholeNumbers(shape)]);
  },
  pick: ({ inputs: [x], shape }, [values, indices], { graph, emit }) => {
    const column = emit('Reshape', [indices!, graph.wholeNumbers([...shape, 1])]);
    const picked = emit('GatherElements', [values!, column], { axis: x!.shape.length - 1 });
    return emit('Reshape', [picked, graph.wholeNumbers(shape)]);
  },
  oneHot: ({ shape, attributes: { depth } }, [indices], { graph, emit }) => {
    const column = emit('Reshape', [indices!, graph.wholeNumbers([...shape.slice(0, -1), 1])]);
    const positions = graph.initializer(
      Int32Array.from({ length: depth }, (_, index) => index),
      [depth],
    );
    return emit('Cast', [emit('Equal', [column, positions])], { to: elementTypeOf('f32') });
  },
  rotate: ({ shape }, [x, cosines, sines], { graph, emit, emitMicrosoft }) => {
    const [length, d] = shape.slice(-2) as [number, number];
    const heads = shape.length === 4 ? shape : [1, sizeOf(shape) / (length * d), length, d];
    const seen = shape.length === 4 ? x! : emit('Reshape', [x!, graph.wholeNumbers(heads)]);
    const turned = emitMicrosoft('RotaryEmbedding', [seen, graph.wholeNumbers([0]), cosines!, sines!]);
    return shape.length === 4 ? turned : emit('Reshape', [turned, graph.wholeNumbers(shape)]);
  },
};

/** Created when the session loads, because large constants do not fit into a model file. */
function zeros({ graph, emit }: Context, shape: Shape): string {
  return emit('Expand', [graph.initializer(Float32Array.of(0), [1]), graph.wholeNumbers(shape)]);
}

function product(
  context: Context,
  rank: number,
  a: string,
  b: string,
  transposeA: boolean,
  transposeB: boolean,
): string {
  const { emit, emitMicrosoft, provider } = context;
  if (!transposeA && !transposeB) return emit('MatMul', [a, b]);
  if (provider === 'cpu' || provider === 'cuda')
    return emitMicrosoft('FusedMatMul', [a, b], { transA: Number(transposeA), transB: Number(transposeB) });
  const perm = Array.from({ length: rank }, (_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
  const turned = (name: string, turn: boolean) => (turn ? emit('Transpose', [name], { perm }) : name);
  return emit('MatMul', [turned(a, transposeA), turned(b, transposeB)]);
}

/** A product one of whose factors is quantized (operand `index`), or rows of such a matrix; programs can do no more with it. */
function withQuantized(
  context: Context,
  program: string,
  node: Tensor,
  names: readonly string[],
  index: number,
  storage: Int8Storage,
): string {
  const { graph, provider } = context;
  const matrix = node.inputs[index] as Tensor<'state'>;
  const other = node.inputs[1 - index];
  const format = formatOf(matrix, provider);
  const scales = scalesName(matrix.attributes.name);
  if (node.primitive === 'gather' && index === 0 && format !== null && isChannelFormat(format)) {
    const indices = { name: names[1] as string, shape: (node.inputs[1] as Tensor).shape };
    return gatheredRows(graph, indices, { values: names[0] as string, scales, storage }, matrix.shape[1] as number);
  }
  const isProduct = node.primitive === 'matmul' || (node.primitive === 'int8Matmul' && index === 1);
  if (!isProduct || format === null || other === undefined || formatOf(other, provider) !== null)
    throw new Error(
      `${program}: a quantized matrix (${matrix.attributes.name}) can only be multiplied with one that is not`,
    );
  if (node.primitive === 'int8Matmul' && isChannelFormat(format)) {
    return integerProduct(graph, names[0] as string, { values: names[1] as string, scales, storage });
  }
  const partner = { name: names[1 - index] as string, shape: other.shape };
  const numbers = dequantized(graph, matrix, format, names[index] as string, partner, storage);
  const factors = names.map((name, i) => (i === index ? numbers : name)) as [string, string];
  const isTransposed = isChannelFormat(format);
  if (node.primitive === 'int8Matmul')
    return roundedProduct(graph, factors[0], (rows) => product(context, 2, rows, factors[1], false, true));
  const { transposeA, transposeB } = (node as Tensor<'matmul'>).attributes;
  return product(
    context,
    node.shape.length,
    ...factors,
    transposeA !== (isTransposed && index === 0),
    transposeB !== (isTransposed && index === 1),
  );
}

/** Writes a program as an ONNX model for one provider; `storage` is that of `-channels` matrices on this machine. */
export function lower(program: Program, provider: Provider, storage: Int8Storage = 'signed'): LoweredProgram {
  const graph = new OnnxGraph();
  const names = new Map<Tensor, string>();
  const context: Context = {
    graph,
    provider,
    emit: (op, inputs, attributes) => graph.node(op, inputs, attributes),
    emitMicrosoft: (op, inputs, attributes) => graph.node(op, inputs, attributes, { domain: 'com.microsoft' }),
  };
  const declared: Value[] = [];
  for (const node of program.nodes) {
    if (node.primitive === 'input' || node.primitive === 'state') {
      const { name: given } = (node as Tensor<'input' | 'state'>).attributes;
      const name = node.primitive === 'input' ? feedName(given) : stateName(given);
      names.set(node, name);
      const format = formatOf(node, provider);
      if (format === null) declared.push({ name, shape: node.shape, dtype: node.dtype });
      else {
        const { scales, ...values } = layoutOf(node.shape, format, storage);
        declared.push({ name, ...values }, { name: scalesName(given), shape: scales, dtype: 'f32' });
      }
      continue;
    }
    const inputs = node.inputs.map((operand) => names.get(operand) as string);
    const quantized = node.inputs.findIndex((operand) => formatOf(operand, provider) !== null);
    if (node.primitive === 'stopGradient') names.set(node, inputs[0] as string);
    else if (quantized >= 0) names.set(node, withQuantized(context, program.name, node, inputs, quantized, storage));
    else names.set(node, (lowerings[node.primitive] as Lower<PrimitiveName>)(node, inputs, context));
  }
  const results: Value[] = [];
  const publish = (tensor: Tensor, name: string) => {
    graph.node('Identity', [names.get(tensor) as string], {}, { result: name });
    results.push({ name, shape: tensor.shape, dtype: tensor.dtype });
  };
  for (const [name, tensor] of program.outputs) publish(tensor, outputName(name));
  for (const [name, tensor] of program.updates) publish(tensor, updateName(name));
  return { bytes: graph.encode(program.name, declared, results) };
}

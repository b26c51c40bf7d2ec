import { isDynamic, type LinearExtent } from '../../graph/dynamic-program.ts';
import type { Program } from '../../graph/program.ts';
import { type PrimitiveName, type Shape, sizeOf, type Tensor } from '../../graph/tensor.ts';
import { isChannelFormat } from '../quantization.ts';
import { type ExternalTensor, elementTypeOf, OnnxGraph, type Value } from './model-file.ts';
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

/** A weight that a program has as a constant: the tensor of its values, and that of its scales if it is quantized. */
export interface ConstantWeight {
  readonly values: ExternalTensor;
  readonly scales: ExternalTensor | null;
}

export interface LoweringOptions {
  /** How `-channels` matrices are stored on this machine. */
  readonly storage?: Int8Storage;
  /** The state that is constant, by name; all other state is passed at every run. */
  readonly constants?: ReadonlyMap<string, ConstantWeight>;
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
  /** A node's extents, of which some depend on a dimension if the program is dynamic. */
  readonly extentsOf: (node: Tensor) => readonly Extent[];
  /** A list of extents as a tensor of 64-bit integers. */
  readonly extents: (values: readonly Extent[]) => string;
}

type Extent = number | LinearExtent;

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
  reshape: (node, [x], { emit, extents, extentsOf }) =>
    emit('Reshape', [x!, extents(extentsOf(node))], { allowzero: 1 }),
  transpose: ({ attributes: { permutation } }, inputs, { emit }) => emit('Transpose', inputs, { perm: permutation }),
  broadcast: (node, [x], { emit, extents, extentsOf }) => emit('Expand', [x!, extents(extentsOf(node))]),
  slice: (node, [x], { graph, emit, extents, extentsOf }) => {
    const { axis, start } = node.attributes;
    const end = extents([shifted(extentsOf(node)[axis] as Extent, start)]);
    return emit('Slice', [x!, graph.wholeNumbers([start]), end, graph.wholeNumbers([axis])]);
  },
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
  rmsNorm: ({ attributes: { epsilon } }, inputs, { emit }) =>
    emit('SimplifiedLayerNormalization', inputs, { axis: -1, epsilon: { float: epsilon }, stash_type: 1 }),
  topValues: ({ attributes: { count }, inputs: [{ shape }] }, [x], context) => top(context, x!, shape, count).values,
  topIndices: ({ attributes: { count }, inputs: [{ shape }] }, [x], context) =>
    context.emit('Cast', [top(context, x!, shape, count).positions], { to: elementTypeOf('i32') }),
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
      const expanded = emit('Expand', [column, graph.wholeNumbers([count, width])]);
      sums = emit('ScatterElements', [zeros(context, [rows, width]), expanded, updates], { axis: 0, reduction: 'add' });
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
    const transposed = emitMicrosoft('RotaryEmbedding', [seen, graph.wholeNumbers([0]), cosines!, sines!]);
    return shape.length === 4 ? transposed : emit('Reshape', [transposed, graph.wholeNumbers(shape)]);
  },
};

const shifted = (extent: Extent, by: number): Extent =>
  typeof extent === 'number' ? extent + by : { ...extent, constant: extent.constant + by };

/** Created when the session loads, because large constants do not fit into a model file. */
function zeros({ graph, emit }: Context, shape: Shape): string {
  return emit('Expand', [graph.initializer(Float32Array.of(0), [1]), graph.wholeNumbers(shape)]);
}

interface Top {
  /** Names of the values [..., count], and of their positions (i64). */
  readonly values: string;
  readonly positions: string;
}

/** The largest values of the last axis and their positions. Equal nodes share one sort. */
function top({ graph, provider }: Context, x: string, shape: Shape, count: number): Top {
  const values = `top_${count}_${x}`;
  const found = { values, positions: `${values}_positions` };
  if (graph.has(values)) return found;
  const width = shape.at(-1) as number;
  // The CPU's TopK looks at one value at a time, and ReduceMax at many.
  if (provider === 'cpu' && shape.length === 2 && width >= longRow && width % chunkLength === 0)
    topOfChunks(graph, x, width / chunkLength, count, found);
  else sort(graph, x, count, found);
  return found;
}

/** The length from which a row is sorted by chunks, and that of a chunk. */
const longRow = 4096;
const chunkLength = 64;

/** `smallest`: sorts from the smallest value up. Of equal values the first comes first. */
function sort(graph: OnnxGraph, x: string, count: number, { values, positions }: Top, { smallest = false } = {}): void {
  const attributes = { axis: -1, ...(smallest ? { largest: 0 } : {}) };
  graph.node('TopK', [x, graph.wholeNumbers([count])], attributes, { result: values, others: [positions] });
}

/**
 * The `count` largest values of rows [rows, chunks * chunkLength]. They are in the `count` chunks with the largest maxima. These
 * chunks are put in their order in the row, so that of equal values the first is taken.
 */
function topOfChunks(graph: OnnxGraph, x: string, chunks: number, count: number, result: Top): void {
  const name = (part: string): string => `${result.values}_${part}`;
  const node = (
    part: string,
    op: string,
    inputs: readonly string[],
    attributes: Record<string, number> = {},
  ): string => {
    graph.node(op, inputs, attributes, { result: name(part) });
    return name(part);
  };
  const numbers = (...values: number[]): string => graph.wholeNumbers(values);
  const chunked = node('chunked', 'Reshape', [x, numbers(-1, chunks, chunkLength)]);
  const maxima = node('maxima', 'ReduceMax', [chunked, numbers(2)], { keepdims: 0 });
  const best = { values: name('best_maxima'), positions: name('best') };
  sort(graph, maxima, Math.min(count, chunks), best);
  const inOrder = { values: name('in_order'), positions: name('in_order_of') };
  sort(graph, best.positions, Math.min(count, chunks), inOrder, { smallest: true });
  const selection = node('selection', 'Unsqueeze', [inOrder.values, numbers(2)]);
  const selected = node('selected', 'GatherND', [chunked, selection], { batch_dims: 1 });
  const candidates = node('candidates', 'Reshape', [selected, numbers(-1, Math.min(count, chunks) * chunkLength)]);
  const among = { values: result.values, positions: name('among') };
  sort(graph, candidates, count, among);
  const chunk = node('chunk', 'Div', [among.positions, numbers(chunkLength)]);
  const within = node('within', 'Mod', [among.positions, numbers(chunkLength)]);
  const chunkOf = node('chunk_of', 'GatherElements', [inOrder.values, chunk], { axis: 1 });
  const start = node('start', 'Mul', [chunkOf, numbers(chunkLength)]);
  graph.node('Add', [start, within], {}, { result: result.positions });
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
  const transposed = (name: string, turn: boolean) => (turn ? emit('Transpose', [name], { perm }) : name);
  return emit('MatMul', [transposed(a, transposeA), transposed(b, transposeB)]);
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
    const rows = gatheredRows(graph, names[1] as string, { values: names[0] as string, scales, storage });
    return context.emit('Reshape', [rows, context.extents(context.extentsOf(node))], { allowzero: 1 });
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

/** Writes a program as an ONNX model for one provider. */
export function lower(
  program: Program,
  provider: Provider,
  { storage = 'signed', constants = new Map() }: LoweringOptions = {},
): LoweredProgram {
  const graph = new OnnxGraph();
  const names = new Map<Tensor, string>();
  const extentsOf = (node: Tensor): readonly Extent[] =>
    (isDynamic(program) ? program.symbolic.get(node) : undefined)?.map((extent) =>
      extent.factors.size === 0 ? extent.constant : extent,
    ) ?? node.shape;
  const context: Context = {
    graph,
    provider,
    extentsOf,
    extents: extentsIn(graph, program, extentsOf),
    emit: (op, inputs, attributes) => graph.node(op, inputs, attributes),
    emitMicrosoft: (op, inputs, attributes) => graph.node(op, inputs, attributes, { domain: 'com.microsoft' }),
  };
  const published = [
    ...[...program.outputs].map(([name, tensor]) => ({ name: outputName(name), tensor })),
    ...[...program.updates].map(([name, tensor]) => ({ name: updateName(name), tensor })),
  ];
  const firstNames = new Map(published.toReversed().map(({ name, tensor }) => [tensor, name]));
  const declared: Value[] = [];
  for (const node of program.nodes) {
    if (node.primitive === 'input' || node.primitive === 'state') {
      const { name: given } = (node as Tensor<'input' | 'state'>).attributes;
      const name = node.primitive === 'input' ? feedName(given) : stateName(given);
      names.set(node, name);
      const format = formatOf(node, provider);
      const constant = node.primitive === 'state' ? constants.get(given) : undefined;
      if (constant) {
        graph.external(name, constant.values);
        if (constant.scales) graph.external(scalesName(given), constant.scales);
      } else if (format === null)
        declared.push({ name, shape: extentsOf(node).map(declaredExtent), dtype: node.dtype });
      else {
        const { scales, ...values } = layoutOf(node.shape, format, storage);
        declared.push({ name, ...values }, { name: scalesName(given), shape: scales, dtype: 'f32' });
      }
      continue;
    }
    const inputs = node.inputs.map((operand) => names.get(operand) as string);
    const before = graph.size;
    const quantized = node.inputs.findIndex((operand) => formatOf(operand, provider) !== null);
    if (node.primitive === 'stopGradient') names.set(node, inputs[0] as string);
    else if (quantized >= 0) names.set(node, withQuantized(context, program.name, node, inputs, quantized, storage));
    else names.set(node, (lowerings[node.primitive] as Lower<PrimitiveName>)(node, inputs, context));
    // An output gets its name at once, because a copy of logits takes as long as other operations on them.
    const name = firstNames.get(node);
    if (name !== undefined && graph.rename(names.get(node) as string, name, before)) names.set(node, name);
  }
  const results = published.map(({ name, tensor }): Value => {
    const own = names.get(tensor) as string;
    if (own !== name) graph.node('Identity', [own], {}, { result: name });
    return { name, shape: extentsOf(tensor).map(declaredExtent), dtype: tensor.dtype };
  });
  return { bytes: graph.encode(program.name, declared, results) };
}

/** Names an extent in the declaration of an input or output. */
const declaredExtent = (extent: Extent): number | string => {
  if (typeof extent === 'number') return extent;
  const terms = [...extent.factors].map(([name, factor]) => (factor === 1 ? name : `${factor} ${name}`));
  return [...terms, ...(extent.constant === 0 ? [] : [extent.constant])].join(' + ');
};

/** Computes lists of extents. Those that depend on a dimension are computed from the shape of an input at every run. */
function extentsIn(
  graph: OnnxGraph,
  program: Program,
  extentsOf: (node: Tensor) => readonly Extent[],
): (values: readonly Extent[]) => string {
  const known = new Map<string, string>();
  const once = (key: string, compute: () => string): string => {
    const name = known.get(key) ?? compute();
    known.set(key, name);
    return name;
  };
  const dimension = (name: string): string =>
    once(name, () => {
      for (const [input, node] of program.inputs) {
        const axis = extentsOf(node).findIndex((extent) => declaredExtent(extent) === name);
        if (axis >= 0) return graph.node('Shape', [feedName(input)], { start: axis, end: axis + 1 });
      }
      throw new Error(`${program.name}: no input has the extent ${name}`);
    });
  const single = (extent: Extent): string => {
    if (typeof extent === 'number') return graph.wholeNumbers([extent]);
    return once(String(declaredExtent(extent)), () => {
      const terms = [...extent.factors].map(([name, factor]) =>
        factor === 1 ? dimension(name) : graph.node('Mul', [dimension(name), graph.wholeNumbers([factor])]),
      );
      const all = extent.constant === 0 ? terms : [...terms, graph.wholeNumbers([extent.constant])];
      return all.reduce((sum, term) => graph.node('Add', [sum, term]));
    });
  };
  return (values) =>
    values.every((extent) => typeof extent === 'number')
      ? graph.wholeNumbers(values)
      : once(`[${values.map(declaredExtent)}]`, () => graph.node('Concat', values.map(single), { axis: 0 }));
}

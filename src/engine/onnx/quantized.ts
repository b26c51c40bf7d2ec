/** Frozen quantized matrices: as inputs of a program, and as factors of its products. */
import * as ort from 'onnxruntime-node';
import type { Shape, Tensor, WeightFormat } from '../../graph/tensor.ts';
import { blockSize, isChannelFormat, type Quantized } from '../quantization.ts';
import { elementTypeOf, OnnxGraph } from './model-file.ts';

/** Whether an execution provider computes with quantized matrices; others keep the dequantized f32 numbers. */
export const keepsQuantized = (provider: string): boolean => provider === 'cpu';

/**
 * How the whole numbers of a `-channels` matrix are stored. Both give the same sums; `signed` is several times faster, but
 * on processors without VNNI its sums saturate (`productsAreExact`).
 */
export type Int8Storage = 'signed' | 'unsigned';
const zeroPoint = 128;

/** The format in which a state is kept; null where it is kept as f32. */
export function formatOf(node: Tensor, provider: string): WeightFormat | null {
  if (node.primitive !== 'state' || !keepsQuantized(provider)) return null;
  return (node as Tensor<'state'>).attributes.format ?? null;
}

/** The tensor that holds the whole numbers of a matrix [rows, columns], and that of its scales. */
export function layoutOf([rows, columns]: Shape, format: WeightFormat, storage: Int8Storage) {
  const [m, n] = [rows as number, columns as number];
  if (isChannelFormat(format))
    return { shape: [n, m], dtype: storage === 'signed' ? 'i8' : 'u8', scales: [m] } as const;
  const scales = [m, n / blockSize];
  if (format === 'int8-blocks') return { shape: [m, n], dtype: 'i8', scales } as const;
  return { shape: [m, n / blockSize, blockSize / 2], dtype: 'u8', scales } as const;
}

/** The name of the input that holds a matrix's scales. */
export const scalesName = (name: string): string => `scales:${name}`;

/** Signed integers as unsigned ones with zero point 128, or back: flips the sign bit. */
export function withTurnedSign(values: Int8Array | Uint8Array): Uint8Array {
  const flipped = new Uint8Array(values.buffer, values.byteOffset, values.length).slice();
  for (let i = 0; i < flipped.length; i++) flipped[i] = (flipped[i] as number) ^ zeroPoint;
  return flipped;
}

/** The whole numbers of a matrix as they are stored. */
export function storedValues({ format, values }: Quantized, storage: Int8Storage): Int8Array | Uint8Array {
  return isChannelFormat(format) && storage === 'unsigned' ? withTurnedSign(values) : values;
}

/**
 * `int8Matmul`: x [m, k] and a `-channels` matrix `values` [k, n] with `scales` [n]. Rows of x become unsigned numbers with
 * zero point 128; adding 128.5 before the cast, which truncates, rounds them.
 */
export function integerProduct(
  graph: OnnxGraph,
  x: string,
  { values, scales, storage }: { readonly values: string; readonly scales: string; readonly storage: Int8Storage },
): string {
  const number = (value: number) => graph.initializer(Float32Array.of(value), [1]);
  const { scale, inverse } = rowScales(graph, x);
  const shifted = graph.node('Add', [graph.node('Mul', [x, inverse]), number(zeroPoint + 0.5)]);
  const rows = graph.node('Cast', [shifted], { to: elementTypeOf('u8') });
  const zero = graph.initializer(Uint8Array.of(zeroPoint), []);
  const one = graph.initializer(Float32Array.of(1), []);
  const inputs = [rows, values, one, scales, zero, ...(storage === 'unsigned' ? [zero] : [])];
  const sums = graph.node('MatMulIntegerToFloat', inputs, {}, { domain: 'com.microsoft' });
  return graph.node('Mul', [sums, scale]);
}

/** `int8Matmul` in f32, for factors that are not kept as whole numbers; `product` multiplies with the transposed matrix. */
export function roundedProduct(graph: OnnxGraph, x: string, product: (rows: string) => string): string {
  const { scale, inverse } = rowScales(graph, x);
  const half = graph.initializer(Float32Array.of(0.5), [1]);
  const rows = graph.node('Floor', [graph.node('Add', [graph.node('Mul', [x, inverse]), half])]);
  return graph.node('Mul', [product(rows), scale]);
}

/** What one step of a row's 127 is worth, and its inverse [m, 1]; a row of zeros has the smallest scale. */
function rowScales(graph: OnnxGraph, x: string) {
  const number = (value: number) => graph.initializer(Float32Array.of(value), [1]);
  const largest = graph.node('ReduceMax', [graph.node('Abs', [x]), graph.wholeNumbers([1])]);
  const bounded = graph.node('Max', [largest, number(1e-30)]);
  return {
    scale: graph.node('Mul', [bounded, number(1 / 127)]),
    inverse: graph.node('Div', [number(127), bounded]),
  };
}

/**
 * The f32 numbers of a quantized matrix, computed again at each use: if they were kept from the forward to the backward
 * pass, they would take the memory that quantization saves. Those of a `-channels` matrix are transposed, [columns, rows]. They are made to
 * depend on `partner`, the other factor of their product, because ONNX Runtime is otherwise free to compute them early, and
 * once for all uses.
 */
export function dequantized(
  graph: OnnxGraph,
  { attributes: { name }, shape }: Tensor<'state'>,
  format: WeightFormat,
  values: string,
  partner: { readonly name: string; readonly shape: Shape },
  storage: Int8Storage,
): string {
  const emit = graph.node.bind(graph);
  const every = (value: number) => graph.wholeNumbers(partner.shape.map(() => value));
  const first = emit('Reshape', [emit('Slice', [partner.name, every(0), every(1)]), graph.wholeNumbers([1])]);
  // No number is less than itself, not even NaN, so this is always false.
  const nothing = emit('Less', [first, first]);
  const dependentScales = () => emit('Add', [scalesName(name), emit('Cast', [nothing], { to: elementTypeOf('f32') })]);
  if (isChannelFormat(format)) {
    const rows = shape[0] as number;
    const zeros = storage === 'unsigned' ? [graph.initializer(new Uint8Array(rows).fill(zeroPoint), [rows])] : [];
    return emit('DequantizeLinear', [values, dependentScales(), ...zeros], { axis: 1 });
  }
  const inBlocks = { axis: 1, block_size: blockSize };
  if (format === 'int8-blocks') return emit('DequantizeLinear', [values, dependentScales()], inBlocks);
  const zero = emit('Cast', [nothing], { to: elementTypeOf('u8') });
  const number = (value: number) => emit('BitwiseOr', [graph.initializer(Uint8Array.of(value), [1]), zero]);
  const low = emit('BitwiseAnd', [values, number(15)]);
  const high = emit('BitShift', [values, number(4)], { direction: 'RIGHT' });
  const whole = emit('Reshape', [emit('Concat', [low, high], { axis: 2 }), graph.wholeNumbers(shape)]);
  const middle = emit('Expand', [
    number(8),
    graph.wholeNumbers([shape[0] as number, (shape[1] as number) / blockSize]),
  ]);
  return emit('DequantizeLinear', [whole, scalesName(name), middle], inBlocks);
}

/** Rows of a `-channels` matrix by their numbers, as f32: `gather` of a matrix whose `values` [columns, rows] are transposed. */
export function gatheredRows(
  graph: OnnxGraph,
  indices: string,
  { values, scales, storage }: { readonly values: string; readonly scales: string; readonly storage: Int8Storage },
): string {
  const flat = graph.node('Reshape', [indices, graph.wholeNumbers([-1])]);
  const whole = graph.node('Gather', [values, flat], { axis: 1 });
  const numbers = graph.node('Cast', [graph.node('Transpose', [whole], { perm: [1, 0] })], {
    to: elementTypeOf('f32'),
  });
  const centred =
    storage === 'signed' ? numbers : graph.node('Sub', [numbers, graph.initializer(Float32Array.of(zeroPoint), [1])]);
  const factors = graph.node('Reshape', [
    graph.node('Gather', [scales, flat], { axis: 0 }),
    graph.wholeNumbers([-1, 1]),
  ]);
  return graph.node('Mul', [centred, factors]);
}

/**
 * Runs the integer product itself with factors at the ends of their ranges: without VNNI, pairs of products are added in 16
 * bits, and those of signed numbers saturate silently. Decides how `-channels` matrices are stored on this machine.
 */
export async function productsAreExact(storage: Int8Storage): Promise<boolean> {
  const [m, k, n] = [4, 256, 32];
  const graph = new OnnxGraph();
  const product = integerProduct(graph, 'x', { values: 'w', scales: 'scales', storage });
  graph.node('Identity', [product], {}, { result: 'y' });
  const bytes = graph.encode(
    'saturating product',
    [
      { name: 'x', shape: [m, k], dtype: 'f32' },
      { name: 'w', shape: [k, n], dtype: storage === 'signed' ? 'i8' : 'u8' },
      { name: 'scales', shape: [n], dtype: 'f32' },
    ],
    [{ name: 'y', shape: [m, n], dtype: 'f32' }],
  );
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ['cpu'], intraOpNumThreads: 1 });
  try {
    const { y } = await session.run({
      x: new ort.Tensor('float32', new Float32Array(m * k).fill(1), [m, k]),
      w:
        storage === 'signed'
          ? new ort.Tensor('int8', new Int8Array(k * n).fill(127), [k, n])
          : new ort.Tensor('uint8', new Uint8Array(k * n).fill(zeroPoint + 127), [k, n]),
      scales: new ort.Tensor('float32', new Float32Array(n).fill(1), [n]),
    });
    return (y!.data as Float32Array).every((sum) => Math.abs(sum - 127 * k) < 0.01 * k);
  } finally {
    await session.release();
  }
}

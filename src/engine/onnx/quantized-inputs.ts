/** Frozen, quantised matrices: as inputs of a program, and as operands of its products. */
import type { Shape, Tensor } from '../../graph/tensor.ts';
import { type Bits, blockSize } from '../quantization.ts';
import { elementTypeOf, type OnnxGraph } from './model-file.ts';

/**
 * Whether an execution provider computes with quantised matrices. For the others, the f32 values of the rounded
 * matrix are stored.
 */
export const storesQuantized = (provider: string): boolean => provider === 'cpu';

/** Bits of a quantised state; null if it is not quantised. */
export function bitsOf(node: Tensor, provider: string): Bits | null {
  const { bits } = node.attributes as Tensor<'state'>['attributes'];
  return node.primitive === 'state' && storesQuantized(provider) ? (bits ?? null) : null;
}

/** Shape and element type of a quantised matrix as a tensor. */
export function packedLayout(
  [rows, columns]: Shape,
  bits: Bits,
): { readonly shape: Shape; readonly dtype: 'i8' | 'u8' } {
  const [m, n] = [rows as number, columns as number];
  if (bits === 8) return { shape: [m, n], dtype: 'i8' };
  return { shape: [m, n / blockSize, blockSize / 2], dtype: 'u8' };
}

/** Shape of the scales of a quantised matrix. */
export const scalesShape = ([rows, columns]: Shape): Shape => [rows as number, (columns as number) / blockSize];

/** Name of the input that holds the scales. */
export const scalesName = (name: string): string => `scales:${name}`;

/**
 * Dequantises a matrix at each use. Kept from the forward to the backward pass, the f32 values would take the memory
 * that quantization saves. `partner` is the other operand of the product. The result depends on it artificially,
 * because ONNX Runtime could otherwise dequantise early and only once for all uses.
 */
export function dequantized(
  graph: OnnxGraph,
  { attributes: { name, bits }, shape }: Tensor<'state'>,
  packed: string,
  partner: { readonly name: string; readonly shape: Shape },
): string {
  const emit = graph.node.bind(graph);
  const every = (value: number) => graph.wholeNumbers(partner.shape.map(() => value));
  const first = emit('Reshape', [emit('Slice', [partner.name, every(0), every(1)]), graph.wholeNumbers([1])]);
  // No number is less than itself, not even NaN, so this is always false.
  const nothing = emit('Less', [first, first]);
  const attributes = { axis: 1, block_size: blockSize };
  if (bits === 8) {
    const scales = emit('Add', [scalesName(name), emit('Cast', [nothing], { to: elementTypeOf('f32') })]);
    return emit('DequantizeLinear', [packed, scales], attributes);
  }
  const zero = emit('Cast', [nothing], { to: elementTypeOf('u8') });
  const number = (value: number) => emit('BitwiseOr', [graph.initializer(Uint8Array.of(value), [1]), zero]);
  const low = emit('BitwiseAnd', [packed, number(15)]);
  const high = emit('BitShift', [packed, number(4)], { direction: 'RIGHT' });
  const whole = emit('Reshape', [emit('Concat', [low, high], { axis: 2 }), graph.wholeNumbers(shape)]);
  const middle = emit('Expand', [number(8), graph.wholeNumbers(scalesShape(shape))]);
  return emit('DequantizeLinear', [whole, scalesName(name), middle], attributes);
}

/** Frozen matrices that are kept in blocks of few bits: as inputs of a program, and as what it multiplies with. */
import type { Shape, Tensor } from '../../graph/tensor.ts';
import { type Bits, blockSize } from '../quantization.ts';
import { elementTypeOf, type OnnxGraph } from './model-file.ts';

/** Whether an execution provider computes with a matrix in blocks; others are given the numbers that these stand for. */
export const keepsBlocks = (provider: string): boolean => provider === 'cpu';

/** Bits of a state that is kept in blocks; null where it is not. */
export function bitsOf(node: Tensor, provider: string): Bits | null {
  const { bits } = node.attributes as Tensor<'state'>['attributes'];
  return node.primitive === 'state' && keepsBlocks(provider) ? (bits ?? null) : null;
}

/** How the blocks of a matrix are laid out as a tensor. */
export function blocksOf([rows, columns]: Shape, bits: Bits): { readonly shape: Shape; readonly dtype: 'i8' | 'u8' } {
  const [m, n] = [rows as number, columns as number];
  if (bits === 8) return { shape: [m, n], dtype: 'i8' };
  return { shape: [m, n / blockSize, blockSize / 2], dtype: 'u8' };
}

/** Extents of the factors of a matrix in blocks. */
export const scalesShape = ([rows, columns]: Shape): Shape => [rows as number, (columns as number) / blockSize];

/** The input that they come in. */
export const scalesName = (name: string): string => `scales:${name}`;

/**
 * The numbers that a matrix in blocks stands for, made anew at each use: kept from the forward to the backward pass they
 * would take the memory that the blocks save. `partner` is what they are multiplied with: they are made to depend on it, for
 * ONNX Runtime is otherwise free to make them early, and once for all uses.
 */
export function dequantized(
  graph: OnnxGraph,
  { attributes: { name, bits }, shape }: Tensor<'state'>,
  blocks: string,
  partner: { readonly name: string; readonly shape: Shape },
): string {
  const emit = graph.node.bind(graph);
  const every = (value: number) => graph.wholeNumbers(partner.shape.map(() => value));
  const first = emit('Reshape', [emit('Slice', [partner.name, every(0), every(1)]), graph.wholeNumbers([1])]);
  // Less than itself is no number, not even one that is none.
  const nothing = emit('Less', [first, first]);
  const inBlocks = { axis: 1, block_size: blockSize };
  if (bits === 8) {
    const scales = emit('Add', [scalesName(name), emit('Cast', [nothing], { to: elementTypeOf('f32') })]);
    return emit('DequantizeLinear', [blocks, scales], inBlocks);
  }
  const zero = emit('Cast', [nothing], { to: elementTypeOf('u8') });
  const number = (value: number) => emit('BitwiseOr', [graph.initializer(Uint8Array.of(value), [1]), zero]);
  const low = emit('BitwiseAnd', [blocks, number(15)]);
  const high = emit('BitShift', [blocks, number(4)], { direction: 'RIGHT' });
  const whole = emit('Reshape', [emit('Concat', [low, high], { axis: 2 }), graph.wholeNumbers(shape)]);
  const middle = emit('Expand', [number(8), graph.wholeNumbers(scalesShape(shape))]);
  return emit('DequantizeLinear', [whole, scalesName(name), middle], inBlocks);
}

import { type HostTensor, type Shape, sizeOf } from '../graph/tensor.ts';

/** Bits of a number in a block. */
export type Bits = 4 | 8;

/** Numbers along the last axis that share a scale. */
export const blockSize = 32;
const half = blockSize / 2;

/**
 * A matrix [rows, columns] in blocks: whole numbers, and a factor for each block. Eight bits: -127 to 127, one a byte. Four
 * bits: 0 to 15, less 8; number i of a block and number i + 16 are the low and the high half of byte i.
 */
export interface Quantized {
  readonly shape: Shape;
  readonly bits: Bits;
  /** Int8Array [rows, columns], or Uint8Array [rows, columns / 32, 16]. */
  readonly blocks: Int8Array | Uint8Array;
  /** [rows, columns / 32] */
  readonly scales: Float32Array;
}

/** Bytes of a matrix in blocks, their factors among them. */
export const bytesInBlocks = (shape: Shape, bits: Bits): number => sizeOf(shape) * (bits / 8 + 4 / blockSize);

/** Whether a matrix can be cut into blocks. */
export const fillsBlocks = (shape: Shape): boolean => shape.length === 2 && (shape[1] as number) % blockSize === 0;

/** Rounds a matrix to blocks. Eight bits: the largest number of a block is 127 of it. Four bits: it is -8 of it, sign and all. */
export function quantize({ shape, data }: HostTensor, bits: Bits): Quantized {
  if (!fillsBlocks(shape)) throw new Error(`[${shape}] cannot be cut into blocks of ${blockSize} along its last axis`);
  const scales = new Float32Array(data.length / blockSize);
  const blocks = bits === 8 ? new Int8Array(data.length) : new Uint8Array(data.length / 2);
  for (let block = 0; block < scales.length; block++) {
    const start = block * blockSize;
    let extreme = 0;
    for (let i = start; i < start + blockSize; i++)
      if (Math.abs(data[i] as number) > Math.abs(extreme)) extreme = data[i] as number;
    const scale = bits === 8 ? Math.abs(extreme) / 127 : extreme / -8 || 0;
    scales[block] = scale;
    const inverse = scale === 0 ? 0 : 1 / scale;
    if (bits === 8)
      for (let i = start; i < start + blockSize; i++) blocks[i] = Math.round((data[i] as number) * inverse);
    else
      for (let i = start; i < start + half; i++) {
        const low = Math.min(7, Math.round((data[i] as number) * inverse)) + 8;
        const high = Math.min(7, Math.round((data[i + half] as number) * inverse)) + 8;
        blocks[start / 2 + i - start] = low | (high << 4);
      }
  }
  return { shape, bits, blocks, scales };
}

/** The numbers that the blocks stand for. */
export function dequantize({ shape, bits, blocks, scales }: Quantized): HostTensor {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    const [block, place] = [Math.floor(i / blockSize), i % blockSize];
    const byte = blocks[bits === 8 ? i : block * half + (place % half)] as number;
    const whole = bits === 8 ? byte : (place < half ? byte & 15 : byte >> 4) - 8;
    data[i] = whole * (scales[block] as number);
  }
  return { shape, data };
}

/** What is left of a matrix that was kept in blocks. */
export const rounded = (matrix: HostTensor, bits: Bits): HostTensor => dequantize(quantize(matrix, bits));

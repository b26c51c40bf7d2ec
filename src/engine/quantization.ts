import { type HostTensor, type Shape, sizeOf } from '../graph/tensor.ts';

/** Bits of a quantised number. */
export type Bits = 4 | 8;

/** Numbers along the last axis that share a scale: the size of a quantization block. */
export const blockSize = 32;
const half = blockSize / 2;

/**
 * A matrix [rows, columns] in quantization blocks: integers, and one scale per block. Eight bits: -127 to 127, one
 * per byte. Four bits: 0 to 15, with an offset of 8; numbers i and i + 16 of a block are the low and the high half of
 * byte i.
 */
export interface Quantized {
  readonly shape: Shape;
  readonly bits: Bits;
  /** Int8Array [rows, columns], or Uint8Array [rows, columns / 32, 16]. */
  readonly packed: Int8Array | Uint8Array;
  /** [rows, columns / 32] */
  readonly scales: Float32Array;
}

/** Bytes of a quantised matrix, including the scales. */
export const quantizedBytes = (shape: Shape, bits: Bits): number => sizeOf(shape) * (bits / 8 + 4 / blockSize);

/** Whether a matrix can be divided into quantization blocks. */
export const isQuantizable = (shape: Shape): boolean => shape.length === 2 && (shape[1] as number) % blockSize === 0;

/**
 * Quantises a matrix. The number of a block with the largest magnitude becomes 127 (or -127) with eight bits, and -8
 * with four bits, whatever its sign.
 */
export function quantize({ shape, data }: HostTensor, bits: Bits): Quantized {
  if (!isQuantizable(shape))
    throw new Error(`[${shape}] cannot be quantised: its last axis must be a multiple of ${blockSize}`);
  const scales = new Float32Array(data.length / blockSize);
  const packed = bits === 8 ? new Int8Array(data.length) : new Uint8Array(data.length / 2);
  for (let block = 0; block < scales.length; block++) {
    const start = block * blockSize;
    let extreme = 0;
    for (let i = start; i < start + blockSize; i++)
      if (Math.abs(data[i] as number) > Math.abs(extreme)) extreme = data[i] as number;
    const scale = bits === 8 ? Math.abs(extreme) / 127 : extreme / -8 || 0;
    scales[block] = scale;
    const inverse = scale === 0 ? 0 : 1 / scale;
    if (bits === 8)
      for (let i = start; i < start + blockSize; i++) packed[i] = Math.round((data[i] as number) * inverse);
    else
      for (let i = start; i < start + half; i++) {
        const low = Math.min(7, Math.round((data[i] as number) * inverse)) + 8;
        const high = Math.min(7, Math.round((data[i + half] as number) * inverse)) + 8;
        packed[start / 2 + i - start] = low | (high << 4);
      }
  }
  return { shape, bits, packed, scales };
}

/** The f32 values of a quantised matrix. */
export function dequantize({ shape, bits, packed, scales }: Quantized): HostTensor {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    const [block, place] = [Math.floor(i / blockSize), i % blockSize];
    const byte = packed[bits === 8 ? i : block * half + (place % half)] as number;
    const whole = bits === 8 ? byte : (place < half ? byte & 15 : byte >> 4) - 8;
    data[i] = whole * (scales[block] as number);
  }
  return { shape, data };
}

/** A matrix after quantising and dequantising. */
export const rounded = (matrix: HostTensor, bits: Bits): HostTensor => dequantize(quantize(matrix, bits));

import { type HostTensor, type Shape, sizeOf, type WeightFormat } from '../graph/tensor.ts';

/** Numbers along the last axis that share a scale in the `-blocks` formats. */
export const blockSize = 32;
const half = blockSize / 2;

/** The largest whole number of a `-channels` format. */
const channelLevels = { 'int8-channels': 127, 'int7-channels': 63 } as const;
export type ChannelFormat = keyof typeof channelLevels;

export const isChannelFormat = (format: WeightFormat): format is ChannelFormat => format in channelLevels;

/**
 * A quantized matrix [rows, columns]: whole numbers and their scales.
 *
 * - `int8-blocks`: Int8Array [rows, columns], -127 to 127; scales [rows, columns / 32].
 * - `int4-blocks`: Uint8Array [rows, columns / 32, 16], 0 to 15 with zero point 8; numbers i and i + 16 of a block are the
 *   low and the high half of byte i; scales [rows, columns / 32].
 * - `int8-channels`, `int7-channels`: Int8Array [columns, rows], which is transposed as integer products take it, -127 to
 *   127 or -63 to 63; scales [rows].
 */
export interface Quantized {
  readonly shape: Shape;
  readonly format: WeightFormat;
  readonly values: Int8Array | Uint8Array;
  readonly scales: Float32Array;
}

/** Bytes of a quantized matrix, its scales included. */
export function quantizedBytes(shape: Shape, format: WeightFormat): number {
  if (isChannelFormat(format)) return sizeOf(shape) + 4 * (shape[0] as number);
  return sizeOf(shape) * ((format === 'int8-blocks' ? 1 : 0.5) + 4 / blockSize);
}

/** Whether a matrix can be kept in a format. */
export const fitsFormat = (shape: Shape, format: WeightFormat): boolean =>
  shape.length === 2 && (isChannelFormat(format) || (shape[1] as number) % blockSize === 0);

/** Rounds a matrix to a format; throws where it does not fit. */
export function quantize(matrix: HostTensor, format: WeightFormat): Quantized {
  if (!fitsFormat(matrix.shape, format)) throw new Error(`a matrix [${matrix.shape}] cannot be kept as ${format}`);
  return isChannelFormat(format) ? quantizeChannels(matrix, format) : quantizeBlocks(matrix, format);
}

/** The largest number of a row becomes the largest whole number. */
function quantizeChannels({ shape, data }: HostTensor, format: ChannelFormat): Quantized {
  const [rows, columns] = shape as [number, number];
  const levels = channelLevels[format];
  const values = new Int8Array(data.length);
  const scales = new Float32Array(rows);
  const inverses = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    let largest = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) largest = Math.max(largest, Math.abs(data[i] as number));
    scales[row] = largest / levels;
    inverses[row] = largest === 0 ? 0 : levels / largest;
  }
  // One tile at a time, so that both sides of the transposition stay in the cache.
  const tile = 64;
  for (let top = 0; top < rows; top += tile)
    for (let left = 0; left < columns; left += tile)
      for (let column = left; column < Math.min(columns, left + tile); column++)
        for (let row = top; row < Math.min(rows, top + tile); row++)
          values[column * rows + row] = Math.round(
            (data[row * columns + column] as number) * (inverses[row] as number),
          );
  return { shape, format, values, scales };
}

/** Eight bits: the largest number of a block becomes 127. Four bits: it becomes -8, also if it is positive. */
function quantizeBlocks({ shape, data }: HostTensor, format: 'int8-blocks' | 'int4-blocks'): Quantized {
  const scales = new Float32Array(data.length / blockSize);
  const values = format === 'int8-blocks' ? new Int8Array(data.length) : new Uint8Array(data.length / 2);
  for (let block = 0; block < scales.length; block++) {
    const start = block * blockSize;
    let extreme = 0;
    for (let i = start; i < start + blockSize; i++)
      if (Math.abs(data[i] as number) > Math.abs(extreme)) extreme = data[i] as number;
    const scale = format === 'int8-blocks' ? Math.abs(extreme) / 127 : extreme / -8 || 0;
    scales[block] = scale;
    const inverse = scale === 0 ? 0 : 1 / scale;
    if (format === 'int8-blocks')
      for (let i = start; i < start + blockSize; i++) values[i] = Math.round((data[i] as number) * inverse);
    else
      for (let i = start; i < start + half; i++) {
        const low = Math.min(7, Math.round((data[i] as number) * inverse)) + 8;
        const high = Math.min(7, Math.round((data[i + half] as number) * inverse)) + 8;
        values[start / 2 + i - start] = low | (high << 4);
      }
  }
  return { shape, format, values, scales };
}

/** The f32 matrix that a quantized one represents. */
export function dequantize({ shape, format, values, scales }: Quantized): HostTensor {
  const data = new Float32Array(sizeOf(shape));
  if (isChannelFormat(format)) {
    const [rows, columns] = shape as [number, number];
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        data[row * columns + column] = (values[column * rows + row] as number) * (scales[row] as number);
    return { shape, data };
  }
  for (let i = 0; i < data.length; i++) {
    const [block, position] = [Math.floor(i / blockSize), i % blockSize];
    const byte = values[format === 'int8-blocks' ? i : block * half + (position % half)] as number;
    const whole = format === 'int8-blocks' ? byte : (position < half ? byte & 15 : byte >> 4) - 8;
    data[i] = whole * (scales[block] as number);
  }
  return { shape, data };
}

/** A matrix after it was quantized and dequantized. */
export const rounded = (matrix: HostTensor, format: WeightFormat): HostTensor => dequantize(quantize(matrix, format));

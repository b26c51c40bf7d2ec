/** A file of frozen weights as ONNX Runtime's sessions use them, which they map into memory. */
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { type HostTensor, type Shape, sizeOf, type TensorSource, type WeightFormat } from '../../graph/tensor.ts';
import { writeAtomicParts } from '../../platform/files.ts';
import { quantize } from '../quantization.ts';
import type { ElementType } from './model-file.ts';
import { type Int8Storage, layoutOf, storedValues } from './quantized.ts';

/** A tensor of the file: its data begins at byte `offset`. */
export interface StoredTensor {
  readonly dtype: ElementType;
  readonly shape: Shape;
  readonly offset: number;
}

/** A weight: an f32 tensor, or the whole numbers and the scales of a quantized matrix. */
export interface StoredWeight {
  readonly name: string;
  readonly shape: Shape;
  readonly format: WeightFormat | null;
  readonly values: StoredTensor;
  readonly scales: StoredTensor | null;
}

/** What a file must hold to be used. */
export interface WeightFileContent {
  readonly values: TensorSource;
  readonly quantized: ReadonlyMap<string, WeightFormat>;
  readonly storage: Int8Storage;
}

/** Tensors begin at multiples of this, the size of a page of memory. */
const alignment = 4096;
/** At the end of the file: a mark, the length of the index before it, and the CRC-32 of all bytes before the footer. */
const mark = 'UNMASKW1';
const footerBytes = 16;
const readAtATime = 2 ** 22;

const tensorSchema = z.object({
  dtype: z.enum(['f32', 'u8', 'i8']),
  shape: z.array(z.int().nonnegative()),
  offset: z.int().nonnegative(),
});
const indexSchema = z.object({
  storage: z.enum(['signed', 'unsigned']),
  weights: z.array(
    z.object({
      name: z.string(),
      shape: z.array(z.int().nonnegative()),
      format: z.enum(['int8-blocks', 'int4-blocks', 'int8-channels', 'int7-channels']).nullable(),
      values: tensorSchema,
      scales: tensorSchema.nullable(),
    }),
  ),
});

/**
 * The weights of a file, by name; null if there is no such file, it is damaged, or it holds other weights than `content` names.
 */
export async function openWeightFile(
  file: string,
  content: WeightFileContent,
): Promise<ReadonlyMap<string, StoredWeight> | null> {
  const handle = await open(file).catch(() => null);
  if (!handle) return null;
  try {
    const index = await readIndex(handle);
    if (index?.storage !== content.storage) return null;
    const weights = new Map<string, StoredWeight>(index.weights.map((weight) => [weight.name, weight]));
    for (const [name, shape] of content.values.shapes) {
      const weight = weights.get(name);
      if (String(weight?.shape) !== String(shape)) return null;
      if ((weight?.format ?? null) !== (content.quantized.get(name) ?? null)) return null;
    }
    return weights.size === content.values.shapes.size ? weights : null;
  } finally {
    await handle.close();
  }
}

/** Writes a file atomically, one weight at a time. Throws a `UserError` if the disk is full or cannot be written. */
export async function writeWeightFile(file: string, content: WeightFileContent): Promise<void> {
  await writeAtomicParts(file, partsOf(content));
}

async function* partsOf({ values, quantized, storage }: WeightFileContent): AsyncGenerator<Uint8Array> {
  const weights: StoredWeight[] = [];
  let [written, sum] = [0, 0];
  const counted = (bytes: Uint8Array): Uint8Array => {
    written += bytes.length;
    sum = crc32(bytes, sum);
    return bytes;
  };
  for (const [name, shape] of values.shapes) {
    const stored: StoredTensor[] = [];
    for (const { dtype, extents, data } of tensorsOf(await values.read(name), quantized.get(name), storage)) {
      stored.push({ dtype, shape: extents, offset: written });
      yield counted(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      const rest = written % alignment;
      if (rest > 0) yield counted(new Uint8Array(alignment - rest));
    }
    const [numbers, scales = null] = stored as [StoredTensor, StoredTensor?];
    weights.push({ name, shape, format: quantized.get(name) ?? null, values: numbers, scales });
  }
  const index = counted(Buffer.from(JSON.stringify({ storage, weights })));
  yield index;
  const footer = Buffer.alloc(footerBytes);
  footer.write(mark);
  footer.writeUInt32LE(index.length, 8);
  footer.writeUInt32LE(sum, 12);
  yield footer;
}

function tensorsOf(
  value: HostTensor,
  format: WeightFormat | undefined,
  storage: Int8Storage,
): { dtype: ElementType; extents: Shape; data: Float32Array | Int32Array | Int8Array | Uint8Array }[] {
  if (!format) return [{ dtype: 'f32', extents: value.shape, data: value.data }];
  const kept = quantize(value, format);
  const { shape, dtype, scales } = layoutOf(kept.shape, format, storage);
  return [
    { dtype, extents: shape, data: storedValues(kept, storage) },
    { dtype: 'f32', extents: scales, data: kept.scales },
  ];
}

/** The index of a file; null if the file is damaged. */
async function readIndex(handle: FileHandle): Promise<z.infer<typeof indexSchema> | null> {
  const { size } = await handle.stat();
  const end = size - footerBytes;
  if (end < 0) return null;
  const footer = await bytesAt(handle, end, footerBytes);
  const start = end - footer.readUInt32LE(8);
  if (footer.toString('latin1', 0, 8) !== mark || start < 0) return null;
  if ((await checksum(handle, end)) !== footer.readUInt32LE(12)) return null;
  const parsed = indexSchema.safeParse(JSON.parse((await bytesAt(handle, start, end - start)).toString()));
  return parsed.success ? parsed.data : null;
}

async function checksum(handle: FileHandle, end: number): Promise<number> {
  const buffer = Buffer.alloc(Math.min(readAtATime, end));
  let sum = 0;
  for (let done = 0; done < end; ) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, end - done), done);
    if (bytesRead === 0) break;
    sum = crc32(buffer.subarray(0, bytesRead), sum);
    done += bytesRead;
  }
  return sum;
}

async function bytesAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  await handle.read(buffer, 0, length, position);
  return buffer;
}

/** Bytes of a stored tensor. */
export const bytesOf = ({ dtype, shape }: StoredTensor): number => sizeOf(shape) * (dtype === 'f32' ? 4 : 1);

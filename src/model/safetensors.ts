import { type FileHandle, open, stat } from 'node:fs/promises';
import { type HostTensor, type Shape, sizeOf, sourceOf, type TensorSource } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import { cannotRead, writeAtomicParts } from '../platform/files.ts';
import { narrowToBf16, widenBf16, widenF16 } from './number-formats.ts';
import { parseHeader, type StoredTensor, shown } from './safetensors-header.ts';

/** The longest valid header in bytes. 32 MB describe more tensors than any model has, so a longer header is damaged. */
const longestHeader = 32_000_000;

/** The number of elements that are read and converted at a time. */
const numbersAtATime = 2 ** 20;

const widen = { BF16: widenBf16, F16: widenF16 } as const;

export interface SafetensorsOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  /** The stored format of f32: unchanged, or rounded to the nearest bfloat16, which takes half the bytes. */
  readonly floats?: 'F32' | 'BF16';
}

/** A tensor to be written, whose bytes are produced in parts. */
export interface StoredBytes {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: 'F32' | 'F16' | 'BF16' | 'I32';
  /** The bytes of the tensor. Their total length must match shape and type. */
  parts(): AsyncIterable<Uint8Array>;
}

/**
 * Writes tensors in the safetensors format (https://github.com/huggingface/safetensors). The file is written atomically and one
 * tensor at a time. Tensors of a `TensorSource` must be f32.
 */
export async function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, HostTensor> | TensorSource,
  { metadata = {}, floats = 'F32' }: SafetensorsOptions = {},
): Promise<void> {
  const source = sourceOf(tensors);
  const isWhole = (name: string) => !('shapes' in tensors) && tensors.get(name)?.data instanceof Int32Array;
  const stored = [...source.shapes].map(
    ([name, shape]): StoredBytes => ({
      name,
      shape,
      dtype: isWhole(name) ? 'I32' : floats,
      async *parts() {
        const { data } = await source.read(name);
        yield bytesOf(floats === 'BF16' && data instanceof Float32Array ? narrowToBf16(data) : data);
      },
    }),
  );
  await writeStoredTensors(file, stored, metadata);
}

/** Like `writeSafetensors`, but tensors have individual types and are written in parts. */
export async function writeStoredTensors(
  file: string,
  tensors: readonly StoredBytes[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } };
  let offset = 0;
  for (const { name, shape, dtype } of tensors) {
    const end = offset + sizeOf(shape) * (dtype === 'F32' || dtype === 'I32' ? 4 : 2);
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  // The data begin at a multiple of eight bytes, so that a reader can map them into memory.
  const head = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  head.writeBigUInt64LE(BigInt(head.length - 8), 0);
  json.copy(head, 8);
  await writeAtomicParts(
    file,
    (async function* () {
      yield head;
      for (const { parts } of tensors) yield* parts();
    })(),
  );
}

/** Reads all tensors. Throws a `UserError` if the file is missing, cut off or malformed, or has tensors of other types. */
export async function readSafetensors(file: string): Promise<Map<string, HostTensor>> {
  const stored = await SafetensorsFile.open(file);
  const tensors = new Map<string, HostTensor>();
  for (const name of stored.tensors.keys()) tensors.set(name, await stored.read(name));
  return tensors;
}

/** A safetensors file. Its header was read and checked; tensors are read on request. */
export class SafetensorsFile {
  readonly file: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;

  private constructor(file: string, tensors: ReadonlyMap<string, StoredTensor>) {
    this.file = file;
    this.tensors = tensors;
  }

  /** Opens a file. Throws a `UserError` if the file is missing, cut off or malformed. */
  static async open(file: string): Promise<SafetensorsFile> {
    // Opening a named pipe would block, so only regular files are opened.
    if ((await stat(file).catch(() => undefined))?.isFile() === false)
      throw new UserError(`${file} is not a file; check the path.`);
    return withFile(file, async (handle) => {
      const { size } = await handle.stat();
      const damaged = (why: string) => damage(file, why);
      if (size < 8) throw damaged(`it has ${size} bytes`);
      const prefix = new BigUint64Array(1);
      await fill(handle, bytesOf(prefix), 0, file);
      const length = Number(prefix[0]);
      if (length > longestHeader || 8 + length > size) throw damaged('its header is cut off');
      const json = Buffer.alloc(length);
      await fill(handle, json, 8, file);
      return new SafetensorsFile(file, parseHeader(json.toString('utf8'), { data: 8 + length, size, damaged }));
    });
  }

  /** Reads one tensor. I32 is unchanged; F32, F16 and BF16 are returned as f32. */
  async read(name: string): Promise<HostTensor> {
    const { dtype, shape } = this.#known(name);
    const data = dtype === 'I32' ? new Int32Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
    await this.readInto(name, data);
    return { shape, data };
  }

  /** Fills `target` with the elements of a tensor, beginning at element `from`. */
  async readInto(name: string, target: Float32Array | Int32Array, from = 0): Promise<void> {
    const { dtype, start } = this.#known(name);
    const whole = target instanceof Int32Array;
    const stored = dtype === 'F16' || dtype === 'BF16' ? dtype : undefined;
    if (whole ? dtype !== 'I32' : !stored && dtype !== 'F32') throw this.#otherType(name, dtype);
    await withFile(this.file, async (handle) => {
      if (whole || !stored) return fill(handle, bytesOf(target), start + from * 4, this.file);
      const part = new Uint16Array(Math.min(target.length, numbersAtATime));
      for (let done = 0; done < target.length; done += part.length) {
        const now = part.subarray(0, target.length - done);
        await fill(handle, bytesOf(now), start + (from + done) * 2, this.file);
        widen[stored](now, target.subarray(done, done + now.length));
      }
    });
  }

  #known(name: string): StoredTensor {
    const found = this.tensors.get(name);
    if (!found) throw new Error(`${this.file} has no tensor ${name}`);
    return found;
  }

  #otherType(name: string, dtype: string): UserError {
    return new UserError(
      `${this.file}: tensor ${shown(name)} is ${dtype}, and F32, F16 and BF16 are read, and I32 for whole numbers; convert the checkpoint.`,
    );
  }
}

const damage = (file: string, why: string): UserError =>
  new UserError(`${file} is not a whole safetensors file (${why}); copy or download it again.`);

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Fills `target` with bytes of the file, beginning at `position`. */
async function fill(handle: FileHandle, target: Uint8Array, position: number, file: string): Promise<void> {
  for (let done = 0; done < target.length; ) {
    // A single read is limited to less than 2 GiB.
    const { bytesRead } = await handle.read(target, done, Math.min(target.length - done, 2 ** 30), position + done);
    if (bytesRead === 0) throw damage(file, 'it was cut off while it was read');
    done += bytesRead;
  }
}

async function withFile<T>(file: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await open(file).catch((error: unknown) => {
    throw new UserError(cannotRead(file, error));
  });
  try {
    return await use(handle);
  } finally {
    await handle.close();
  }
}

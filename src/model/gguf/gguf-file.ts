import { type FileHandle, open, stat } from 'node:fs/promises';
import { sizeOf } from '../../graph/tensor.ts';
import { UserError } from '../../platform/errors.ts';
import { cannotRead } from '../../platform/files.ts';
import { type GgufHeader, type GgufTensor, type MetadataValue, NeedsMoreBytes, parseGgufHeader } from './header.ts';

/** Bytes of a header that are read first; one with a large vocabulary has ten times as many. */
const firstRead = 2 ** 20;

/** The longest header of any model is far below; a longer one is damage or malice. */
const longestHeader = 2 ** 29;

/** A GGUF file whose header was read and checked; tensors are read when they are asked for. */
export class GgufFile {
  readonly file: string;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  readonly #handle: FileHandle;

  private constructor(file: string, { metadata, tensors }: GgufHeader, handle: FileHandle) {
    this.file = file;
    this.metadata = metadata;
    this.tensors = tensors;
    this.#handle = handle;
  }

  /**
   * Gives `use` the file. Throws a `UserError` that names it where it is missing, cut off, damaged, or of a version or with
   * tensors of types that are not read.
   */
  static async use<T>(file: string, use: (gguf: GgufFile) => Promise<T>): Promise<T> {
    // A pipe would be waited for when it is opened.
    if ((await stat(file).catch(() => undefined))?.isFile() === false)
      throw new UserError(`${file} is not a file; check the path.`);
    const handle = await open(file).catch((error: unknown) => {
      throw new UserError(cannotRead(file, error));
    });
    try {
      return await use(new GgufFile(file, await readHeader(handle, file), handle));
    } finally {
      await handle.close();
    }
  }

  /** `length` bytes of a tensor from its byte `from` on, as they are stored. */
  async bytes({ start }: GgufTensor, from: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await fill(this.#handle, bytes, start + from, this.file);
    return bytes;
  }

  /** All numbers of a small tensor. */
  async numbers(tensor: GgufTensor): Promise<Float32Array> {
    const numbers = new Float32Array(sizeOf(tensor.shape));
    tensor.format.dequantize(await this.bytes(tensor, 0, tensor.end - tensor.start), numbers);
    return numbers;
  }
}

const damage = (file: string, why: string): UserError =>
  new UserError(`${file} is not a whole GGUF file (${why}); copy or download it again.`);

async function readHeader(handle: FileHandle, file: string): Promise<GgufHeader> {
  const { size } = await handle.stat();
  for (let length = Math.min(size, firstRead); ; length = Math.min(size, 2 * length)) {
    const bytes = new Uint8Array(length);
    await fill(handle, bytes, 0, file);
    try {
      return parseGgufHeader(bytes, {
        size,
        damaged: (why) => damage(file, why),
        refused: (why) => new UserError(`${file} cannot be read: ${why}; convert it with llama.cpp's tools.`),
      });
    } catch (error) {
      if (!(error instanceof NeedsMoreBytes)) throw error;
      if (length >= longestHeader) throw damage(file, `its header is longer than ${longestHeader} bytes`);
    }
  }
}

/** Reads as many bytes as `target` holds. */
async function fill(handle: FileHandle, target: Uint8Array, position: number, file: string): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await handle.read(target, done, Math.min(target.length - done, 2 ** 30), position + done);
    if (bytesRead === 0) throw damage(file, 'it was cut off while it was read');
    done += bytesRead;
  }
}

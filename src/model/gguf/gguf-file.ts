import { type FileHandle, open, stat } from 'node:fs/promises';
import { sizeOf } from '../../graph/tensor.ts';
import { UserError } from '../../platform/errors.ts';
import { cannotRead } from '../../platform/files.ts';
import { type GgufHeader, type GgufTensor, type MetadataValue, NeedsMoreBytes, parseGgufHeader } from './header.ts';

/** The number of bytes that are read first. The header of a model with a large vocabulary is ten times as long. */
const firstRead = 2 ** 20;

/** The longest valid header in bytes. Headers of models are much shorter, so a longer header is damaged. */
const longestHeader = 2 ** 29;

/** A GGUF file. Its header was read and checked; tensors are read on request. */
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
   * Opens a file, passes it to `use` and closes it afterwards. Throws a `UserError` if the file is missing, cut off or damaged,
   * or if its version or the type of a tensor is not supported.
   */
  static async use<T>(file: string, use: (gguf: GgufFile) => Promise<T>): Promise<T> {
    // Opening a named pipe would block, so only regular files are opened.
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

  /** Reads `length` stored bytes of a tensor, beginning at its byte `from`. */
  async bytes({ start }: GgufTensor, from: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await fill(this.#handle, bytes, start + from, this.file);
    return bytes;
  }

  /** Reads and dequantizes all elements of a small tensor. */
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

/** Fills `target` with bytes of the file, beginning at `position`. */
async function fill(handle: FileHandle, target: Uint8Array, position: number, file: string): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await handle.read(target, done, Math.min(target.length - done, 2 ** 30), position + done);
    if (bytesRead === 0) throw damage(file, 'it was cut off while it was read');
    done += bytesRead;
  }
}

import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { UserError } from '../platform/errors.ts';
import type { RemoteFile } from './repository.ts';

/**
 * A file that is being downloaded. Its bytes are written to the disk and hashed as they arrive. A new process reads them
 * once to restore the hash and then requests only the rest.
 */
export class PartialFile {
  readonly #file: RemoteFile;
  readonly #path: string;
  readonly #handle: FileHandle;
  #hash: Hash;
  #size = 0;

  private constructor(file: RemoteFile, location: string, handle: FileHandle) {
    this.#file = file;
    this.#path = location;
    this.#handle = handle;
    this.#hash = newHash(file);
  }

  /** Opens the incomplete file at `path`, or creates it. The caller closes it. */
  static async open(file: RemoteFile, location: string): Promise<PartialFile> {
    const partial = new PartialFile(file, location, await open(location, 'a'));
    try {
      const { size } = await partial.#handle.stat();
      if (size > file.size) await partial.restart();
      else if (size > 0)
        for await (const part of createReadStream(location, { end: size - 1 })) {
          partial.#hash.update(part as Buffer);
          partial.#size += (part as Buffer).length;
        }
    } catch (error) {
      await partial.close();
      throw error;
    }
    return partial;
  }

  /** Bytes on the disk. */
  get size(): number {
    return this.#size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (this.#size + bytes.length > this.#file.size)
      throw await this.#discarded(`it is longer than the ${this.#file.size} bytes that the hub lists`);
    await this.#handle.appendFile(bytes);
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  /** Removes all bytes. */
  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = newHash(this.#file);
    this.#size = 0;
  }

  /** Moves the complete file to `target`. Deletes it and throws if its content differs from the hub's listing. */
  async finish(target: string): Promise<void> {
    const { kind, hex } = this.#file.hash;
    if (this.#hash.digest('hex') !== hex)
      throw await this.#discarded(`its ${kind} differs from the one that the hub lists`);
    await this.#handle.sync();
    await this.close();
    await rename(this.#path, target);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #discarded(why: string): Promise<UserError> {
    await rm(this.#path, { force: true });
    return new UserError(
      `${this.#file.name} arrived damaged (${why}) and was deleted; try again. If it happens again, the hub or a proxy changes the file.`,
    );
  }
}

/** Whether a file on the disk has the content that the hub lists. */
export async function hasContent(location: string, file: Pick<RemoteFile, 'size' | 'hash'>): Promise<boolean> {
  if ((await stat(location).catch(() => null))?.size !== file.size) return false;
  const hash = newHash(file);
  for await (const part of createReadStream(location)) hash.update(part as Buffer);
  return hash.digest('hex') === file.hash.hex;
}

function newHash({ size, hash }: Pick<RemoteFile, 'size' | 'hash'>): Hash {
  if (hash.kind === 'sha256') return createHash('sha256');
  // Files outside of Git LFS are listed with git's blob hash, which covers a header and the content.
  return createHash('sha1').update(`blob ${size}\0`);
}

import { type FileHandle, open } from 'node:fs/promises';
import { messageOf, UserError } from '../platform/errors.ts';
import { cutTornLine } from './json-lines.ts';

/**
 * An append-only file of lines. Each line is one write and is on the disk before `append` returns. A partial write is
 * rolled back, so that the file stays readable if the disk is full.
 */
export class AppendLog {
  readonly #file: string;
  readonly #handle: FileHandle;
  #length: number;
  #last: Promise<void> = Promise.resolve();

  private constructor(file: string, handle: FileHandle, length: number) {
    this.#file = file;
    this.#handle = handle;
    this.#length = length;
  }

  /** Opens a file for appending. Creates it if necessary, and removes an incomplete last line of a killed process. */
  static async open(file: string): Promise<AppendLog> {
    await cutTornLine(file);
    const handle = await open(file, 'a');
    return new AppendLog(file, handle, (await handle.stat()).size);
  }

  /** Appends one or several lines, without the last line end. Calls are processed in order. */
  append(line: string): Promise<void> {
    const turn = this.#last.then(() => this.#write(Buffer.from(`${line}\n`)));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#handle.close();
  }

  async #write(bytes: Buffer): Promise<void> {
    try {
      const { bytesWritten } = await this.#handle.write(bytes);
      if (bytesWritten < bytes.length) throw new Error('no space left');
      await this.#handle.datasync();
      this.#length += bytes.length;
    } catch (error) {
      await this.#handle.truncate(this.#length).catch(() => undefined);
      throw new UserError(
        `Cannot write ${this.#file} (${messageOf(error)}); free some space or check its permissions.`,
      );
    }
  }
}

import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir, platform } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import writeFileAtomic from 'write-file-atomic';
import { messageOf, UserError } from './errors.ts';

/** Writes a file atomically: readers see the old content or the new content, never a part. Creates the folder. */
export async function writeAtomic(file: string, data: string | Uint8Array): Promise<void> {
  const content = typeof data === 'string' ? data : Buffer.from(data.buffer, data.byteOffset, data.length);
  await writing(file, async () => {
    await mkdir(path.dirname(file), { recursive: true });
    await retryWhileLocked(() => writeFileAtomic(file, content));
  });
}

/** `writeAtomic` for content that arrives in parts, for files too large to hold in memory twice. */
export async function writeAtomicParts(file: string, parts: AsyncIterable<Uint8Array>): Promise<void> {
  const unfinished = `${file}.${randomUUID()}`;
  await writing(file, async () => {
    await mkdir(path.dirname(file), { recursive: true });
    try {
      const handle = await open(unfinished, 'wx');
      try {
        for await (const part of parts) await handle.writeFile(part);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await retryWhileLocked(() => rename(unfinished, file));
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  });
}

/**
 * Writes a file atomically if it does not exist; false if it does. Of several processes that do this at once, on any machine that
 * shares the folder, exactly one gets true.
 */
export async function writeOnce(file: string, text: string): Promise<boolean> {
  const unfinished = `${file}.${randomUUID()}`;
  return writing(file, async () => {
    await mkdir(path.dirname(file), { recursive: true });
    if (await exists(file)) return false;
    try {
      const handle = await open(unfinished, 'wx');
      try {
        await handle.writeFile(text);
        await handle.sync();
      } finally {
        await handle.close();
      }
      // Unlike a rename, a link never replaces a file. Some file systems have no links; there the last of two processes wins.
      await link(unfinished, file).catch(async (error: NodeJS.ErrnoException) => {
        if (!noLinks.includes(error.code ?? '')) throw error;
        await rename(unfinished, file);
      });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    } finally {
      await rm(unfinished, { force: true });
    }
  });
}

/** Error codes of a file system without hard links. */
const noLinks = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/** What to do about errors of the file system that do not come from a defect of this program, by their codes. */
const advice: Readonly<Record<string, string>> = {
  ...Object.fromEntries(['ENOSPC', 'EDQUOT'].map((code) => [code, 'free some disk space, then resume or try again'])),
  ...Object.fromEntries(
    ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'EISDIR', 'ELOOP'].map((code) => [
      code,
      'check the path and its permissions, or choose another place',
    ]),
  ),
  ENAMETOOLONG: 'choose a shorter name',
  EFBIG: 'raise the limit on the size of files (`ulimit -f`), or choose another place',
  EIO: 'the disk or its connection has failed; check it, or choose another place',
  EMFILE: 'too many files are open; raise the limit (`ulimit -n`) and try again',
};

/** Runs `write`. If the disk is full or `file` cannot be written, throws a `UserError` with the error's code. */
export async function writing<T>(file: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw fileError(error, `Cannot write ${file}`);
  }
}

/**
 * The `UserError` for an error of the file system, with the same code and a remedy; any other error is returned unchanged. A job and
 * the command line use it for errors of operations that do not expect any.
 *
 * @param failed what did not work; default: the operation and the path that the error names
 */
export function fileError(error: unknown, failed?: string): unknown {
  const { code = '', syscall, path: place } = Object(error) as NodeJS.ErrnoException;
  const isOfFiles =
    failed !== undefined || (error instanceof Error && syscall !== undefined && !/^spawn/.test(syscall));
  // Creating folders in a read-only file system fails with the code of a missing file.
  const known = code === 'ENOENT' && failed !== undefined ? advice.EROFS : advice[code];
  if (error instanceof UserError || !isOfFiles || known === undefined) return error;
  const what = failed ?? `Cannot access ${place ?? 'a file'}`;
  return Object.assign(new UserError(`${what} (${messageOf(error)}); ${known}.`), { code });
}

/** Replaces a file. On Windows it retries, because replacing a file fails while another process reads it. */
async function retryWhileLocked(replace: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await replace();
    } catch (error) {
      const busy = ['EPERM', 'EACCES', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '');
      if (!(platform() === 'win32' && busy && attempt < 10)) throw error;
      await delay(10 * attempt);
    }
  }
}

export async function writeJson(file: string, value: unknown): Promise<void> {
  await writeAtomic(file, `${JSON.stringify(value, null, 2)}\n`);
}

/** The largest file of text that is read at once, in bytes. Tokenizers of published models have up to 40 MB. */
const largestText = 256 * 2 ** 20;

/**
 * Reads a JSON file. Throws a `UserError` that names the file if it is missing, larger than `largest` bytes or not valid JSON.
 */
export async function readJson(file: string, largest = largestText): Promise<unknown> {
  const text = await readText(file, largest);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file} is not valid JSON (${messageOf(error)}); restore it or remove it.`);
  }
}

/** Reads a text file. Throws a `UserError` that names the file if it cannot be read or is larger than `largest` bytes. */
export async function readText(file: string, largest = largestText): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > largest)
      throw new UserError(
        `${file} has ${size} bytes, and at most ${largest} are read; check that it is the right file.`,
      );
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(cannotRead(file, error));
  }
}

/**
 * Throws a `UserError` if something exists at a path that is neither a file nor a folder, such as a named pipe, which a read
 * would wait for forever. For folders from outside.
 */
export async function assertRegular(file: string): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (found !== null && !found.isFile() && !found.isDirectory())
    throw new UserError(`${file} is not a regular file; replace it by one.`);
}

export function cannotRead(file: string, error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return `${file} does not exist; check the path.`;
  if (code === 'EISDIR') return `${file} is a folder, not a file; check the path.`;
  return `${file} cannot be read (${messageOf(error)}).`;
}

/** Whether a file or folder exists. Links are followed. */
export async function exists(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined)) !== undefined;
}

/** The data home, which holds models, runs, evaluations and caches: `UNMASK_HOME`, or the platform's data folder. */
export function dataHome(): string {
  if (process.env.UNMASK_HOME) return path.resolve(process.env.UNMASK_HOME);
  const home = homedir();
  if (platform() === 'win32')
    return path.join(process.env.LOCALAPPDATA ?? path.join(home, 'AppData', 'Local'), 'unmask');
  if (platform() === 'darwin') return path.join(home, 'Library', 'Application Support', 'unmask');
  return path.join(process.env.XDG_DATA_HOME ?? path.join(home, '.local', 'share'), 'unmask');
}

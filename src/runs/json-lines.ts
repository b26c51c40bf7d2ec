import { open, readFile } from 'node:fs/promises';
import type * as z from 'zod';
import { UserError } from '../platform/errors.ts';
import { cannotRead, writeAtomic } from '../platform/files.ts';
import { parseRecord } from './read-record.ts';

const newline = 0x0a;

/**
 * Reads a file with one JSON record per line; no records if the file does not exist. A last line without a line end was
 * left by a killed process and is ignored. Any other invalid line throws a `UserError` with its number.
 */
export async function readJsonLines<T>(file: string, schema: z.ZodType<T>): Promise<T[]> {
  return parseJsonLines(await completeLines(file), schema, file);
}

/** The records of a file's text, in which every line has its line end. */
export function parseJsonLines<T>(text: string, schema: z.ZodType<T>, file: string): T[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line, index) => parseRecord(line, schema, `line ${index + 1} of ${file}`));
}

/** Removes the records that `keep` rejects. The file is rewritten atomically, and only if a record is removed. */
export async function filterJsonLines<T>(
  file: string,
  schema: z.ZodType<T>,
  keep: (record: T) => boolean,
): Promise<void> {
  const lines = (await completeLines(file)).split('\n').slice(0, -1);
  const kept = lines.filter((line, index) => keep(parseRecord(line, schema, `line ${index + 1} of ${file}`)));
  if (kept.length < lines.length) await writeAtomic(file, kept.map((line) => `${line}\n`).join(''));
}

/** Keeps the first `count` lines of a file. The file is rewritten atomically, and only if a line is removed. */
export async function keepFirstLines(file: string, count: number): Promise<void> {
  const lines = (await completeLines(file)).split('\n').slice(0, -1);
  if (count < lines.length)
    await writeAtomic(
      file,
      lines
        .slice(0, count)
        .map((line) => `${line}\n`)
        .join(''),
    );
}

/** Removes the text after the last line end, so that the next line does not continue an incomplete one. */
export async function cutTornLine(file: string): Promise<void> {
  const bytes = await readBytes(file);
  const end = bytes.lastIndexOf(newline) + 1;
  if (end === bytes.length) return;
  const handle = await open(file, 'r+');
  try {
    await handle.truncate(end);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

async function completeLines(file: string): Promise<string> {
  const bytes = await readBytes(file);
  return bytes.toString('utf8', 0, bytes.lastIndexOf(newline) + 1);
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw new UserError(cannotRead(file, error));
  }
}

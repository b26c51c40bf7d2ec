import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { UserError } from './errors.ts';
import { exists, readJson, writeJson } from './files.ts';

/** The file that holds the SHA-256 of every other file that was in a folder when it was written. */
export const digestsFile = 'digests.json';

const hexDigest = z.string().regex(/^[0-9a-f]{64}$/);

/** Per file, the digests that are accepted: two while a file is being replaced (`replaceWithDigest`), otherwise one. */
const digestsSchema = z.object({ sha256: z.record(z.string().min(1), z.array(hexDigest).min(1)) });

/** `whole`: every recorded file is unchanged. `unrecorded`: the folder has no digests. */
export type FolderCheck =
  | { readonly state: 'whole' }
  | { readonly state: 'unrecorded' }
  | { readonly state: 'damaged'; readonly reason: string };

/** Records the digest of every file in a folder except `ignored`. Files that are added later are not covered. */
export async function recordDigests(folder: string, ignored: readonly string[] = []): Promise<void> {
  const sha256: Record<string, string[]> = {};
  for (const name of await filesIn(folder)) {
    if (ignored.includes(name)) continue;
    sha256[name] = [await digestOfFile(path.join(folder, name))];
  }
  await writeJson(path.join(folder, digestsFile), { sha256 });
}

/**
 * Compares the files of a folder, except `ignored`, with their recorded digests. The reason of damage names the first
 * file that differs.
 */
export async function checkDigests(folder: string, ignored: readonly string[] = []): Promise<FolderCheck> {
  const record = path.join(folder, digestsFile);
  if (!(await exists(record))) return { state: 'unrecorded' };
  const parsed = digestsSchema.safeParse(await readJson(record).catch(() => null));
  if (!parsed.success) return { state: 'damaged', reason: `${digestsFile} cannot be read` };
  for (const [name, accepted] of Object.entries(parsed.data.sha256)) {
    if (ignored.includes(name)) continue;
    if (path.isAbsolute(name) || name.split(/[\\/]/).includes('..'))
      return { state: 'damaged', reason: `${digestsFile} names a file outside the folder` };
    const file = path.join(folder, name);
    const found = await stat(file).catch(() => null);
    if (!found?.isFile()) return { state: 'damaged', reason: `${name} is missing` };
    const digest = await digestOfFile(file).catch(() => null);
    if (digest === null) return { state: 'damaged', reason: `${name} cannot be read` };
    if (!accepted.includes(digest)) return { state: 'damaged', reason: `${name} has changed since it was written` };
  }
  return { state: 'whole' };
}

/** Throws a `UserError` if a folder has digests and a file, except `ignored`, differs from its digest. */
export async function assertUndamaged(folder: string, ignored: readonly string[] = []): Promise<void> {
  const check = await checkDigests(folder, ignored);
  if (check.state === 'damaged')
    throw new UserError(
      `${folder} is damaged (${check.reason}); restore it from a copy, or remove its ${digestsFile} to use it unchecked.`,
    );
}

/**
 * Replaces a JSON file of a folder, and its digest if the folder has digests. A process that is killed in between leaves
 * a folder that is whole: until the file is replaced, both digests are accepted.
 */
export async function replaceWithDigest(folder: string, name: string, value: unknown): Promise<void> {
  const record = path.join(folder, digestsFile);
  const parsed = digestsSchema.safeParse(await readJson(record).catch(() => null));
  const file = path.join(folder, name);
  if (!parsed.success) return writeJson(file, value);
  const { sha256 } = parsed.data;
  const digest = createHash('sha256')
    .update(`${JSON.stringify(value, null, 2)}\n`)
    .digest('hex');
  await writeJson(record, { sha256: { ...sha256, [name]: [...(sha256[name] ?? []), digest] } });
  await writeJson(file, value);
  await writeJson(record, { sha256: { ...sha256, [name]: [digest] } });
}

/** Paths of the files in a folder and its subfolders, relative to it and with `/`, without the digests themselves. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .filter((name) => name !== digestsFile)
    .sort();
}

async function digestOfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(part as Buffer);
  return hash.digest('hex');
}

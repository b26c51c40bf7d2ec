import { createHash } from 'node:crypto';
import { readdir, realpath, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import type { WeightFile } from '../engine/engine.ts';
import { dataHome } from '../platform/files.ts';
import { packageVersion } from '../platform/package-root.ts';
import { adapterFiles } from './adapter-folder.ts';
import type { ServingPrecision } from './serving-precision.ts';
import { weightFiles } from './stored-weights.ts';

/** The files of all models together take at most this many bytes; the least recently used ones are removed first. */
const mostBytes = 16 * 2 ** 30;

/** A file of weights as an engine computes with them. */
export interface CachedWeights {
  readonly file: string;
  readonly bytes: number;
}

interface Entry extends CachedWeights {
  readonly usedAt: number;
}

export const weightCacheFolder = (): string => path.join(dataHome(), 'cache', 'weights');

/**
 * Where the weights of the checkpoint in `folder` are cached in a precision; with `adapter`, those into which the adapter in that
 * folder is merged. The name is made of the version of Unmask, the precision with its smoothing, and the location, size and time of
 * the weight files and of the adapter's files. `onFailure` receives one sentence if the file cannot be written.
 */
export async function cachedWeights(
  folder: string,
  { precision, smoothing }: ServingPrecision,
  {
    adapter,
    onFailure,
  }: { readonly adapter?: string; readonly onFailure?: ((reason: string) => void) | undefined } = {},
): Promise<WeightFile> {
  const hash = createHash('sha256').update(`${packageVersion()} ${precision}`);
  const files = await weightFiles(folder);
  for (const file of adapter === undefined
    ? files
    : [...files, ...adapterFiles.map((name) => path.join(adapter, name))]) {
    const { size, mtimeMs } = await stat(file);
    hash.update(`${await realpath(file)} ${size} ${mtimeMs}`);
  }
  for (const [name, { data }] of smoothing ?? [])
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return {
    path: path.join(weightCacheFolder(), hash.digest('hex').slice(0, 32)),
    onUse: used,
    ...(onFailure ? { onFailure } : {}),
  };
}

/** An unfinished file that is older was left by a process that was killed. */
const oldestUnfinished = 24 * 3_600_000;

/** The files in the cache. Unfinished ones are left out. */
export async function listCachedWeights(): Promise<CachedWeights[]> {
  return (await entries()).map(({ file, bytes }) => ({ file, bytes }));
}

const entries = (): Promise<Entry[]> => filesWhose((name) => name.endsWith('.weights'));

async function filesWhose(matches: (name: string) => boolean): Promise<Entry[]> {
  const names = await readdir(weightCacheFolder()).catch(() => []);
  const found = names.filter(matches).map(async (name) => {
    const file = path.join(weightCacheFolder(), name);
    const status = await stat(file).catch(() => null);
    return status ? [{ file, bytes: status.size, usedAt: status.mtimeMs }] : [];
  });
  return (await Promise.all(found)).flat();
}

/** Marks a file as the one used last, and removes the least recently used ones above the size limit. */
async function used(file: string): Promise<void> {
  const now = new Date();
  await utimes(file, now, now);
  await removeLeastUsed(file, mostBytes);
}

/** Removes the least recently used files until all together take at most `limit` bytes; `kept` is never removed. */
export async function removeLeastUsed(kept: string, limit: number): Promise<void> {
  for (const { file, usedAt } of await filesWhose((name) => name.includes('.weights.')))
    if (Date.now() - usedAt > oldestUnfinished) await rm(file, { force: true });
  const files = (await entries()).sort((a, b) => b.usedAt - a.usedAt);
  let total = 0;
  for (const { file, bytes } of files) {
    total += bytes;
    // Another process may have removed the file, or may use it, which some systems do not allow.
    if (total > limit && path.resolve(file) !== path.resolve(kept))
      await rm(file, { force: true }).catch(() => undefined);
  }
}

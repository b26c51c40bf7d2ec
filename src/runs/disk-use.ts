import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';

/** The folders of the data home: all that is ever written there, and all that deleting it removes. */
export const dataFolders = ['runs', 'models', 'evaluations', 'comparisons', 'cache'] as const;
export type DataFolder = (typeof dataFolders)[number];

/** Bytes in each folder of the data home. */
export type DiskUse = Readonly<Record<DataFolder, number>>;

export async function diskUse(home: string): Promise<DiskUse> {
  const bytes = await Promise.all(
    dataFolders.map(async (name) => [name, await bytesOf(path.join(home, name))] as const),
  );
  return Object.fromEntries(bytes) as Record<DataFolder, number>;
}

/**
 * Bytes of a file, or of all files under a folder; 0 where there is none. Links count as themselves. What goes away
 * while it is counted, a checkpoint of a running job for example, counts as nothing.
 */
export async function bytesOf(place: string): Promise<number> {
  const found = await lstat(place).catch(() => null);
  if (!found) return 0;
  if (!found.isDirectory()) return found.size;
  const names = await readdir(place).catch(() => []);
  let sum = 0;
  for (const name of names) sum += await bytesOf(path.join(place, name));
  return sum;
}

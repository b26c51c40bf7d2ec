import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';

/** The folders of the data home. Nothing else is written there, and these are removed when all data is deleted. */
export const dataFolders = ['runs', 'models', 'evaluations', 'comparisons', 'cache'] as const;
export type DataFolder = (typeof dataFolders)[number];

/** The size of each folder of the data home, in bytes. */
export type DiskUse = Readonly<Record<DataFolder, number>>;

export async function diskUse(home: string): Promise<DiskUse> {
  const bytes = await Promise.all(
    dataFolders.map(async (name) => [name, await bytesOf(path.join(home, name))] as const),
  );
  return Object.fromEntries(bytes) as Record<DataFolder, number>;
}

/**
 * The size of a file, or of all files under a folder, in bytes; 0 if it does not exist. Links are not followed. Files
 * that are removed meanwhile, such as a checkpoint of a running job, are not counted.
 */
export async function bytesOf(location: string): Promise<number> {
  const found = await lstat(location).catch(() => null);
  if (!found) return 0;
  if (!found.isDirectory()) return found.size;
  const names = await readdir(location).catch(() => []);
  let sum = 0;
  for (const name of names) sum += await bytesOf(path.join(location, name));
  return sum;
}

import { mkdir, statfs } from 'node:fs/promises';
import { size } from '../platform/amounts.ts';
import { UserError } from '../platform/errors.ts';

/** Bytes that stay free, for everything else that writes. */
const margin = 64e6;

export type FreeSpace = (folder: string) => Promise<number>;

/** Bytes that may still be written where a folder lies; the folder is made. */
export const freeSpace: FreeSpace = async (folder) => {
  await mkdir(folder, { recursive: true });
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

/** Throws a `UserError` where `bytes` more do not fit on the disk of a folder. */
export async function assertFits(folder: string, bytes: number, free: FreeSpace = freeSpace): Promise<void> {
  const left = await free(folder);
  if (bytes + margin > left)
    throw new UserError(
      `${folder} has ${size(left)} free, and ${size(bytes + margin)} are needed; free some, or have the models elsewhere (UNMASK_HOME, in VS Code unmask.home).`,
    );
}

/** A full disk as a sentence; every other error as it is. */
export function whenFull(folder: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new UserError(`The disk of ${folder} is full; free some space and try again, what is there is kept.`)
    : error;
}

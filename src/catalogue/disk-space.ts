import { mkdir, statfs } from 'node:fs/promises';
import { size } from '../platform/amounts.ts';
import { UserError } from '../platform/errors.ts';

/** Bytes that must stay free for other programs. */
const margin = 64e6;

export type FreeSpace = (folder: string) => Promise<number>;

/** Free bytes on the disk of a folder. Creates the folder. */
export const freeSpace: FreeSpace = async (folder) => {
  await mkdir(folder, { recursive: true });
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

/** Throws a `UserError` if `bytes` more do not fit on the disk of a folder. */
export async function assertFits(folder: string, bytes: number, free: FreeSpace = freeSpace): Promise<void> {
  const left = await free(folder);
  if (bytes + margin > left)
    throw new UserError(
      `The disk of ${folder} has ${size(left)} free, but ${size(bytes + margin)} are needed; free some space, or keep the data elsewhere (UNMASK_HOME, in VS Code the setting unmask.home).`,
    );
}

/** Replaces the system's error about a full disk with a message for the user; returns all other errors unchanged. */
export function whenFull(folder: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new UserError(`The disk of ${folder} is full; free some space and try again. The finished part is kept.`)
    : error;
}

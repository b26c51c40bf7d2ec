import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { GivenFile } from './sandbox.ts';

/** A temporary folder for what one run brings, and the user that must be able to read it. */
export interface Stage {
  readonly folder: string;
  /** Writes the files of a job; returns where each lies on this machine. */
  write(files: readonly GivenFile[]): Promise<Map<string, string>>;
  remove(): Promise<void>;
}

export async function openStage(user: number | null): Promise<Stage> {
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-sandbox-'));
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    if (user !== null) await chown(folder, user, user);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    folder,
    remove,
    async write(files) {
      const places = new Map<string, string>();
      for (const [index, { inside, content }] of files.entries()) {
        const place = path.join(folder, `given-${index}`);
        await writeFile(place, content);
        // Whatever the umask: another user may be the one who reads it.
        await chmod(place, 0o644);
        places.set(inside, place);
      }
      return places;
    },
  };
}

/** A place below a folder; throws where it would lie outside. */
export function within(folder: string, relative: string): string {
  const place = path.resolve(folder, relative);
  if (place !== folder && !place.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep))
    throw new Error(`${relative} leads out of the sandbox`);
  return place;
}

export async function makeFolder(folder: string, user: number | null): Promise<string> {
  await mkdir(folder, { recursive: true });
  if (user !== null) await chown(folder, user, user);
  return folder;
}

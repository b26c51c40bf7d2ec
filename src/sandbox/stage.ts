import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { GivenFile } from './sandbox.ts';

/**
 * A temporary folder for the files of one run, readable by the user that runs it. The files are few and small, so
 * they are written synchronously, which halves their cost.
 */
export interface Stage {
  readonly folder: string;
  /** Writes the job's files. Returns their locations on this machine. */
  write(files: readonly GivenFile[]): Map<string, string>;
  remove(): void;
}

export function openStage(user: number | null): Stage {
  const folder = mkdtempSync(path.join(tmpdir(), 'unmask-sandbox-'));
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    if (user !== null) chownSync(folder, user, user);
  } catch (error) {
    remove();
    throw error;
  }
  return {
    folder,
    remove,
    write(files) {
      const places = new Map<string, string>();
      for (const [index, { inside, content }] of files.entries()) {
        const place = path.join(folder, `given-${index}`);
        writeFileSync(place, content);
        // Independent of the umask: another user may have to read it.
        chmodSync(place, 0o644);
        places.set(inside, place);
      }
      return places;
    },
  };
}

/** A path below a folder; throws if it would be outside. */
export function within(folder: string, relative: string): string {
  const place = path.resolve(folder, relative);
  if (place !== folder && !place.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep))
    throw new Error(`${relative} leads out of the sandbox`);
  return place;
}

export function makeFolder(folder: string, user: number | null): string {
  mkdirSync(folder, { recursive: true });
  if (user !== null) chownSync(folder, user, user);
  return folder;
}

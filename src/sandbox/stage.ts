import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { SuppliedFile } from './sandbox.ts';

/**
 * A temporary folder for the files of one run, readable by the user that runs it. The files are few and small, so
 * they are written synchronously, which halves their cost.
 */
export interface Stage {
  readonly folder: string;
  /** Writes the job's files. Returns their locations on this machine. */
  write(files: readonly SuppliedFile[]): Map<string, string>;
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
      const locations = new Map<string, string>();
      for (const [index, { inside, content }] of files.entries()) {
        const location = path.join(folder, `supplied-${index}`);
        writeFileSync(location, content);
        // Independent of the umask: another user may have to read it.
        chmodSync(location, 0o644);
        locations.set(inside, location);
      }
      return locations;
    },
  };
}

/** A path below a folder; throws if it would be outside. */
export function within(folder: string, relative: string): string {
  const location = path.resolve(folder, relative);
  if (location !== folder && !location.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep))
    throw new Error(`${relative} leads out of the sandbox`);
  return location;
}

export function makeFolder(folder: string, user: number | null): string {
  mkdirSync(folder, { recursive: true });
  if (user !== null) chownSync(folder, user, user);
  return folder;
}

import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/** The full path of a program on PATH or in the system's usual folders; null if it is in none of them. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/bin', '/bin', '/usr/sbin', '/sbin'];
  for (const folder of folders.filter((entry) => path.isAbsolute(entry))) {
    const file = path.join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

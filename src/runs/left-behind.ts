import { rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { baseOf } from './checkpoints.ts';
import { namesIn, runFile, stepName, stepsIn } from './layout.ts';

/** Milliseconds after which a temporary file that another process may be writing counts as left behind. */
const abandonedAfter = 60_000;
/** A temporary file of an atomic write: the name of the file, then a number or a UUID. */
const temporaryName = /^(.+\.(?:json|jsonl))\.(?:\d+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** Whether nothing has changed a file or folder for so long that no process is writing it. A clock that jumped counts as long. */
export async function isLeftBehind(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => null);
  return found !== null && Math.abs(Date.now() - found.mtimeMs) > abandonedAfter;
}

/**
 * Removes the temporary files that killed processes left in a run directory and in its checkpoints. Only the holder of the run's
 * lock may call it. Requests, locks and lists of dependent runs are written by other processes as well, so their temporary files
 * are removed only if they are old.
 */
export async function removeLeftBehind(dir: string): Promise<void> {
  const { samples, lock, control, checkpoints } = runFile(dir);
  const steps = (await stepsIn(checkpoints)).map((step) => path.join(checkpoints, stepName(step)));
  const isShared = new Set([lock, control, ...steps.map((step) => path.join(step, baseOf))]);
  for (const folder of [dir, samples, ...steps]) {
    for (const name of await namesIn(folder)) {
      const target = temporaryName.exec(name)?.[1];
      if (target === undefined) continue;
      const file = path.join(folder, name);
      if (!isShared.has(path.join(folder, target)) || (await isLeftBehind(file))) await rm(file, { force: true });
    }
  }
}

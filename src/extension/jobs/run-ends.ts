import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { PanelRun } from '../../protocol/panel.ts';
import { isOver } from '../../runs/reader.ts';
import type { RunsChange } from '../../runs/run-folder.ts';

/** Milliseconds after its end during which a run is still worth a notification. */
export const notifyWithin = 24 * 3_600_000;
/** Milliseconds for which claims are kept: longer than any window could still notify. */
const claimRetention = 7 * notifyWithin;

/**
 * Runs that have ended since the last update: those that were active before, and at the first update those that were
 * started from a window. Runs of scripts without a window are left out, and so are test discoveries, whose end shows in
 * the Workspace Tests view.
 */
export function endedRuns({ runs, before, first }: RunsChange, launched: readonly string[]): PanelRun[] {
  const wereActive = new Set(before.filter(({ state }) => !isOver(state)).map(({ dir }) => dir));
  return runs.filter(
    ({ dir, state, kind }) =>
      kind !== 'discover' && isOver(state) && (first ? launched.includes(dir) : wereActive.has(dir)),
  );
}

/**
 * Claims the notification about the end of a run: true for the first caller in any window, so that it is shown once. A
 * resumed run ends again and can be claimed again.
 *
 * @param claims a folder for the claims
 * @param endedAt the run's last heartbeat, ISO 8601
 */
export async function claimEnd(claims: string, run: string, endedAt: string): Promise<boolean> {
  await mkdir(claims, { recursive: true });
  await removeOld(claims);
  const file = path.join(claims, `${run}.${endedAt.replace(/\W/g, '')}`);
  try {
    await writeFile(file, '', { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function removeOld(notes: string): Promise<void> {
  for (const name of await readdir(notes)) {
    const file = path.join(notes, name);
    const written = (await stat(file).catch(() => null))?.mtimeMs ?? Date.now();
    if (Date.now() - written > claimRetention) await rm(file, { force: true });
  }
}

import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { PanelRun } from '../../protocol/panel.ts';
import { isOver } from '../../runs/reader.ts';
import type { RunsChange } from '../../runs/run-folder.ts';

/** An end that is longer ago is no news to who opens a window. */
export const newsFor = 24 * 3_600_000;
/** Notes of what was told are kept until nobody could tell it any more. */
const keepNotesFor = 7 * newsFor;

/**
 * Runs that may have ended since somebody last looked: those that were seen to go on a moment ago, and at the first
 * look those that were started from a window. Nobody waits for what a script runs without a window; who looks through
 * tests sees the end of it in their view.
 */
export function endedRuns({ runs, before, first }: RunsChange, launched: readonly string[]): PanelRun[] {
  const went = new Set(before.filter(({ state }) => !isOver(state)).map(({ dir }) => dir));
  return runs.filter(
    ({ dir, state, kind }) => kind !== 'discover' && isOver(state) && (first ? launched.includes(dir) : went.has(dir)),
  );
}

/**
 * Takes it upon this window to tell an end: true for the first that asks, in whatever window and whenever, so that it
 * is told once. A resumed run ends anew.
 *
 * @param notes a folder for the notes of what was told
 * @param endedAt the run's last heartbeat, ISO 8601
 */
export async function claimEnd(notes: string, run: string, endedAt: string): Promise<boolean> {
  await mkdir(notes, { recursive: true });
  await removeOld(notes);
  const file = path.join(notes, `${run}.${endedAt.replace(/\W/g, '')}`);
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
    if (Date.now() - written > keepNotesFor) await rm(file, { force: true });
  }
}

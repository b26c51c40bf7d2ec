import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { readJson, writeJson, writing } from '../platform/files.ts';
import { recordDigests } from '../platform/folder-digests.ts';
import { namesIn, runFile, stepName, stepsIn } from './layout.ts';

export interface Checkpoint {
  readonly step: number;
  readonly dir: string;
}

/** The complete checkpoints of a run, oldest first. */
export async function listCheckpoints(dir: string): Promise<Checkpoint[]> {
  const folder = runFile(dir).checkpoints;
  return (await stepsIn(folder)).map((step) => ({ step, dir: path.join(folder, stepName(step)) }));
}

/** The last complete checkpoint of a run; null if there is none. */
export async function latestCheckpoint(dir: string): Promise<Checkpoint | null> {
  return (await listCheckpoints(dir)).at(-1) ?? null;
}

/** The checkpoint of a run with the best validation result, or the last one if none was rated; null if there is none. */
export async function bestCheckpoint(dir: string): Promise<Checkpoint | null> {
  const checkpoints = await listCheckpoints(dir);
  const last = checkpoints.at(-1);
  if (!last) return null;
  const best = await recordedBest(last);
  return checkpoints.find(({ step }) => step === best) ?? last;
}

/** The step with the best validation result, as recorded in a checkpoint; null if no step was rated. */
export async function recordedBest(checkpoint: Checkpoint): Promise<number | null> {
  const state = await readJson(path.join(checkpoint.dir, 'state.json')).catch(() => null);
  return progressSchema.safeParse(state).data?.best?.step ?? null;
}

const progressSchema = z.object({ best: z.object({ step: z.number() }).nullable() });

/**
 * Writes the checkpoint of a step: `write` fills a temporary folder, which is renamed to `checkpoints/step-NNNNNN` when
 * all of it is on the disk. The folder gets a record of the digests of its files, by which damage is found when the run
 * is resumed. A checkpoint of the same step is replaced. If `write` throws, the folder is removed.
 */
export async function commitCheckpoint(
  dir: string,
  step: number,
  write: (folder: string) => Promise<void>,
): Promise<Checkpoint> {
  const folder = runFile(dir).checkpoints;
  const target = path.join(folder, stepName(step));
  const temporary = path.join(folder, `.${stepName(step)}.${randomUUID()}`);
  await writing(target, async () => {
    await mkdir(temporary, { recursive: true });
    try {
      await write(temporary);
      await recordDigests(temporary);
      await flushFiles(temporary);
      await removeFolder(target);
      await rename(temporary, target);
    } catch (error) {
      await removeFolder(temporary);
      throw error;
    }
  });
  return { step, dir: target };
}

/** The file in a checkpoint's folder that lists the runs whose adapters use it as their base. */
export const baseOf = 'base-of.json';

/** Records that the adapters of a run use this checkpoint as their base, so that it is kept while that run exists. */
export async function keepAsBase(checkpoint: string, run: string): Promise<void> {
  const file = path.join(checkpoint, baseOf);
  await writeJson(file, [...(await runsThatUse(checkpoint)), run]);
}

/** The existing runs whose adapters use a checkpoint as their base. */
export async function runsThatUse(checkpoint: string): Promise<string[]> {
  const recorded = await readJson(path.join(checkpoint, baseOf)).catch(() => []);
  return (Array.isArray(recorded) ? recorded : []).filter(
    (run): run is string => typeof run === 'string' && existsSync(run),
  );
}

/** Removes all checkpoints except the `last` newest, the one of step `best`, and bases of other runs' adapters. */
export async function retainCheckpoints(
  dir: string,
  keep: { readonly last: number; readonly best: number | null },
): Promise<void> {
  const checkpoints = await listCheckpoints(dir);
  const newest = new Set(checkpoints.slice(Math.max(0, checkpoints.length - keep.last)).map(({ step }) => step));
  for (const checkpoint of checkpoints) {
    if (newest.has(checkpoint.step) || checkpoint.step === keep.best) continue;
    if ((await runsThatUse(checkpoint.dir)).length === 0) await removeFolder(checkpoint.dir);
  }
}

/** Removes incomplete files that killed processes left. Only the holder of the run's lock may call it. */
export async function removeUnfinishedCheckpoints(dir: string): Promise<void> {
  const folder = runFile(dir).checkpoints;
  for (const name of await namesIn(folder)) {
    if (name.startsWith('.step-')) await removeFolder(path.join(folder, name));
  }
}

async function removeFolder(folder: string): Promise<void> {
  // On Windows, renaming fails while a virus scanner has a file open; a retry usually succeeds.
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** Flushes every file to the disk, so that the renamed folder never has empty files after a crash. */
async function flushFiles(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const handle = await open(path.join(entry.parentPath, entry.name), 'r+');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

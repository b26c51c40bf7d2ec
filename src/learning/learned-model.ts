import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { modelsFolder } from '../catalogue/find-model.ts';
import { publishModel } from '../catalogue/publish-model.ts';
import { contentDigest } from '../platform/content-digest.ts';
import { UserError } from '../platform/errors.ts';
import { exists, readJson, writeJson } from '../platform/files.ts';

const recordSchema = z.object({
  workspace: z.string(),
  /** The model that it was learned from. */
  base: z.string(),
  /** The files that were held out, relative to the workspace. */
  held_out: z.array(z.string()),
  difference: z.object({ value: z.number(), low: z.number(), high: z.number() }),
});

/** `learned.json` of a model that was learned on a workspace. */
export type LearnedRecord = z.infer<typeof recordSchema>;

const recordFile = 'learned.json';

/** The name of the model that is learned on a workspace, which is the same each time. */
export function learnedName(workspace: string): string {
  const base =
    path
      .basename(workspace)
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '') || 'workspace';
  return `learned/${base}-${contentDigest(path.resolve(workspace)).slice(0, 8)}`;
}

const folderOf = (workspace: string): string => path.join(modelsFolder(), learnedName(workspace));

/** The model that was learned on a workspace; null if there is none. */
export async function findLearned(
  workspace: string,
): Promise<{ readonly name: string; readonly folder: string; readonly record: LearnedRecord } | null> {
  const folder = folderOf(workspace);
  if (!(await exists(path.join(folder, recordFile)))) return null;
  const record = recordSchema.safeParse(await readJson(path.join(folder, recordFile)));
  if (!record.success)
    throw new UserError(
      `${path.join(folder, recordFile)} cannot be read (${record.error.issues[0]!.message}); remove the model with \`unmask learn --workspace DIR --undo\`.`,
    );
  return { name: learnedName(workspace), folder, record: record.data };
}

/** Keeps a checkpoint as the model of a workspace, in place of an earlier one. Returns the model's name. */
export async function keepLearned(checkpoint: string, card: string, record: LearnedRecord): Promise<string> {
  const folder = folderOf(record.workspace);
  const fresh = `${folder}.new`;
  await rm(fresh, { recursive: true, force: true });
  await publishModel(checkpoint, fresh, card);
  await writeJson(path.join(fresh, recordFile), record);
  const earlier = `${folder}.old`;
  await rm(earlier, { recursive: true, force: true });
  if (await exists(folder)) await rename(folder, earlier);
  await rename(fresh, folder);
  await rm(earlier, { recursive: true, force: true });
  return learnedName(record.workspace);
}

/** Removes the model of a workspace, and returns its record. Throws a `UserError` if there is none. */
export async function removeLearned(
  workspace: string,
): Promise<{ readonly name: string; readonly base: string | null }> {
  const folder = folderOf(workspace);
  if (!(await exists(folder)))
    throw new UserError(`No model was learned on ${path.resolve(workspace)}, so there is nothing to undo.`);
  const found = await findLearned(workspace).catch(() => null);
  await rm(folder, { recursive: true, force: true });
  return { name: learnedName(workspace), base: found?.record.base ?? null };
}

import * as z from 'zod';
import { UsageError } from '../platform/errors.ts';
import { writeJson } from '../platform/files.ts';
import type { RunLabels } from '../protocol/run.ts';
import { readConfiguration } from './directory.ts';
import { runFile } from './layout.ts';
import { readRecordIfThere } from './read-record.ts';

const longestName = 200;
const longestTag = 50;
const mostTags = 50;
const longestNote = 20_000;

const oneLine = /^[^\p{Cc}\u2028\u2029]*$/u;
const name = z.string().trim().min(1).max(longestName).regex(oneLine, 'must be one line');
const tag = z
  .string()
  .trim()
  .min(1)
  .max(longestTag)
  .regex(/^[^\s,\p{Cc}]+$/u, 'must have no spaces and commas');

export const runLabelsSchema = z.looseObject({
  schema: z.literal(1).describe('Version of this shape.'),
  name: z.exactOptional(name.describe('Name for display, instead of that of the folder.')),
  tags: z.array(tag).max(mostTags).describe('Words by which runs are grouped, each once.'),
  notes: z.exactOptional(z.string().min(1).max(longestNote).describe('What the user wrote about the run.')),
}) satisfies z.ZodType<RunLabels>;

/** `labels.json` of a run; without a name, tags and notes if there is no such file. */
export async function readLabels(dir: string): Promise<RunLabels> {
  return (await readRecordIfThere(runFile(dir).labels, runLabelsSchema)) ?? { schema: 1, tags: [] };
}

/** A change of labels. An empty name or an empty text of notes removes it. */
export interface LabelChange {
  readonly name?: string;
  readonly notes?: string;
  readonly addTags?: readonly string[];
  readonly removeTags?: readonly string[];
}

/**
 * Changes the labels of a run, whether a job works on it or not. The file is replaced atomically; of two changes at the same moment,
 * one may be lost. Throws a `UsageError` if a name, tag or note is not valid, and a `UserError` if the folder is not a run.
 */
export async function changeLabels(dir: string, change: LabelChange): Promise<RunLabels> {
  await readConfiguration(dir);
  const { name, notes, ...known } = { ...(await readLabels(dir)), ...texts(change) };
  const removed = new Set(change.removeTags ?? []);
  const tags = [...new Set([...known.tags, ...(change.addTags ?? []).map((one) => one.trim())])];
  const labels = runLabelsSchema.safeParse({
    ...known,
    tags: tags.filter((one) => !removed.has(one)),
    ...(name ? { name } : {}),
    ...(notes ? { notes } : {}),
  });
  if (!labels.success) {
    const issue = labels.error.issues[0]!;
    throw new UsageError(`${String(issue.path[0])} of a run: ${issue.message}.`);
  }
  await writeJson(runFile(dir).labels, labels.data);
  return labels.data;
}

function texts({ name, notes }: LabelChange): Partial<RunLabels> {
  return {
    ...(name === undefined ? {} : { name: name.trim() }),
    ...(notes === undefined ? {} : { notes: notes.trim() }),
  };
}

import { readFile } from 'node:fs/promises';
import type * as z from 'zod';
import { messageOf, UserError } from '../platform/errors.ts';
import { cannotRead } from '../platform/files.ts';

/** Reads a JSON file and checks its shape; throws a `UserError` with the file and what is wrong with it. */
export async function readRecord<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  const record = await readRecordIfThere(file, schema);
  if (record === null) throw new UserError(`${file} does not exist; check that this is a run directory.`);
  return record;
}

/** As `readRecord`, but null where the file does not exist. */
export async function readRecordIfThere<T>(file: string, schema: z.ZodType<T>): Promise<T | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new UserError(cannotRead(file, error));
  }
  return parseRecord(text, schema, file);
}

/** Checks one JSON text; `where` names its file, and the line in it where there are several. */
export function parseRecord<T>(text: string, schema: z.ZodType<T>, where: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${where} is not valid JSON (${messageOf(error)}); restore it or remove it.`);
  }
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const issue = firstIssue(checked.error.issues);
  const field = issue?.path.length ? `field "${issue.path.join('.')}": ` : '';
  throw new UserError(`${where} is broken (${field}${issue?.message ?? 'unknown shape'}); restore it or remove it.`);
}

/** What to tell of a failed check; of alternatives, the last one's complaint, which the records here state last. */
function firstIssue(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue | undefined {
  const issue = issues[0];
  return issue?.code === 'invalid_union' ? (firstIssue(issue.errors.at(-1) ?? []) ?? issue) : issue;
}

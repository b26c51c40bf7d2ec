import { readFile } from 'node:fs/promises';
import type * as z from 'zod';
import { messageOf, UserError } from '../platform/errors.ts';
import { cannotRead } from '../platform/files.ts';
import { invalidValue } from '../platform/invalid-value.ts';

/** Reads and validates a JSON file. Throws a `UserError` that names the file and the problem. */
export async function readRecord<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  const record = await readRecordIfThere(file, schema);
  if (record === null) throw new UserError(`${file} does not exist; check that this is a run directory.`);
  return record;
}

/** Like `readRecord`, but null if the file does not exist. */
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

/** Validates a JSON text. `where` names the file, and the line if it has several records. */
export function parseRecord<T>(text: string, schema: z.ZodType<T>, where: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${where} is not valid JSON (${messageOf(error)}); restore it or remove it.`);
  }
  const checked = schema.safeParse(value, { error: invalidValue });
  if (checked.success) return checked.data;
  const issue = firstIssue(checked.error.issues);
  const field = issue?.path.length ? `field "${issue.path.join('.')}": ` : '';
  throw new UserError(`${where} is broken (${field}${issue?.message ?? 'unknown shape'}); restore it or remove it.`);
}

/** The issue to report. For a union, the issue of the last alternative, which is the current format of the record. */
function firstIssue(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue | undefined {
  const issue = issues[0];
  return issue?.code === 'invalid_union' ? (firstIssue(issue.errors.at(-1) ?? []) ?? issue) : issue;
}

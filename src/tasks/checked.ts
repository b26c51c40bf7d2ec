import type { z } from 'zod';
import { UsageError, UserError } from '../platform/errors.ts';
import { invalidValue } from '../platform/invalid-value.ts';

/** Checks a record of a data file; throws a `UserError` that names the field and the error. */
export function checkedRow<Row>(schema: z.ZodType<Row>, record: unknown): Row {
  const result = schema.safeParse(record, { error: invalidValue });
  if (result.success) return result.data;
  throw new UserError(`${firstIssue(result.error)}.`);
}

/** Checks the options of a problem generator; throws a `UsageError` that names the option and the error. */
export function checkedOptions<Options>(schema: z.ZodType<Options>, task: string, options: unknown): Options {
  const result = schema.safeParse(options, { error: invalidValue });
  if (result.success) return result.data;
  throw new UsageError(`Invalid problem options for ${task}: ${firstIssue(result.error)}.`);
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message;
}

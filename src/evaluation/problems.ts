import { UsageError, UserError } from '../platform/errors.ts';
import { isHeldOut } from '../protocol/discovery.ts';
import { readRowFile } from '../tasks/row-file.ts';
import { problemDigest } from '../tasks/split-rows.ts';
import type { Task } from '../tasks/task.ts';

/** Number of held-out problems if neither a file nor a limit is given, as in the papers' test sets. */
const defaultProblems = 256;

/** Which problems of a task to evaluate. */
export interface ProblemChoice {
  /** A file of problems; null: the task's own. */
  readonly data: string | null;
  /** Number of problems; null: the whole file, or `defaultProblems`. */
  readonly limit: number | null;
  /** Skip invalid rows of the file instead of stopping at the first. */
  readonly skipBroken: boolean;
  /** Take only every eighth problem of the file: those held out by runs that split by position. */
  readonly heldOut: boolean;
  /** Take only these problems of the file, by digest of their content (`evaluatedPart`); null or absent: all of them. */
  readonly only?: readonly string[] | null;
}

/** The problems of an evaluation. `progress` is called for every skipped row. */
export async function readProblems(
  task: Task,
  { data, limit, skipBroken, heldOut, only = null }: ProblemChoice,
  progress: (line: string) => void = () => undefined,
): Promise<unknown[]> {
  if (data === null) {
    if (!task.heldOut) throw new UsageError(`${task.name} has no problems of its own; give a file with --data.`);
    return task.heldOut('test', limit ?? defaultProblems);
  }
  const { rows, broken } = await readRowFile(data, (record) => task.parse(record), { skipBroken });
  for (const { message } of broken) progress(message);
  if (rows.length === 0) throw new UserError(`${data} has no valid row; fix the file.`);
  const selected = only && new Set(only);
  const chosen = rows
    .filter(({ row }, index) => (!heldOut || isHeldOut(index)) && (!selected || selected.has(problemDigest(task, row))))
    .map(({ row }) => row);
  return chosen.slice(0, limit ?? chosen.length);
}

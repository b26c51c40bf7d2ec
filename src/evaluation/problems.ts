import { UsageError, UserError } from '../platform/errors.ts';
import { isHeldOut } from '../protocol/discovery.ts';
import { readRowFile } from '../tasks/row-file.ts';
import type { Task } from '../tasks/task.ts';

/** Held-out problems where neither a file nor a limit is given, as many as the papers' test sets have. */
const defaultProblems = 256;

/** Which problems of a task an evaluation is about. */
export interface ProblemChoice {
  /** A file of them; null: those that the task makes. */
  readonly data: string | null;
  /** Problems to take; null: all of the file, or `defaultProblems`. */
  readonly limit: number | null;
  /** Leave out rows of the file that cannot be read, instead of stopping at the first. */
  readonly skipBroken: boolean;
  /** Of a file's problems only those that tuning on it does not see. */
  readonly heldOut: boolean;
}

/** The problems of an evaluation; `progress` is told of every row that is left out. */
export async function readProblems(
  task: Task,
  { data, limit, skipBroken, heldOut }: ProblemChoice,
  progress: (line: string) => void = () => undefined,
): Promise<unknown[]> {
  if (data === null) {
    if (!task.heldOut) throw new UsageError(`${task.name} makes no problems itself; give a file of them with --data.`);
    return task.heldOut('test', limit ?? defaultProblems);
  }
  const { rows, broken } = await readRowFile(data, (record) => task.parse(record), { skipBroken });
  for (const { message } of broken) progress(message);
  if (rows.length === 0) throw new UserError(`${data} has no row that can be read; mend it.`);
  const chosen = heldOut ? rows.filter((_, index) => isHeldOut(index)) : rows;
  return chosen.map(({ row }) => row).slice(0, limit ?? chosen.length);
}

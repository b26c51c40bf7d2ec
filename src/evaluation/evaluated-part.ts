import { UsageError, UserError } from '../platform/errors.ts';
import { minForTest, type RowSplit } from '../protocol/row-split.ts';
import { readRowFile } from '../tasks/row-file.ts';
import { isSplitOf, problemDigest, splitRows } from '../tasks/split-rows.ts';
import type { Task } from '../tasks/task.ts';

/** Which part of a file an evaluation takes. */
export interface PartChoice {
  readonly task: Task;
  /** The file of problems; null: the task generates them. */
  readonly data: string | null;
  /** `test` or `all`; null: `test` if the model was tuned on these problems, otherwise `all`. */
  readonly part: 'test' | 'all' | null;
  /** How the data that the model was tuned on were split; null if that is not recorded. */
  readonly recorded: RowSplit | null;
  readonly skipBroken: boolean;
}

/**
 * Digests of the problems that an evaluation takes of a file; null: all of them. `report` gets a line that
 * names the part. Throws a `UserError` if the test part is requested and empty.
 */
export async function evaluatedPart(
  { task, data, part, recorded, skipBroken }: PartChoice,
  report: (line: string) => void,
): Promise<string[] | null> {
  if (data === null) {
    if (part !== null) throw new UsageError('--split selects a part of a file; give the file with --data.');
    return null;
  }
  if (part === 'all' || (part === null && recorded === null)) {
    report(`Evaluating all problems of ${data}.`);
    return null;
  }
  const { rows: read } = await readRowFile(data, (record) => task.parse(record), { skipBroken });
  const rows = read.map(({ row }) => row);
  const isTunedOn = recorded !== null && isSplitOf(recorded, data, rows);
  if (!isTunedOn && part === null) {
    report(`Evaluating all problems of ${data}: the model was tuned on other data.`);
    return null;
  }
  const { rows: digests } = isTunedOn ? recorded : splitRows(task, rows, data).record!;
  const test = new Set(digests.test);
  const count = rows.filter((row) => test.has(problemDigest(task, row))).length;
  if (count === 0)
    throw new UserError(
      test.size === 0
        ? `${data} has too few problems for a test part (${digests.training.length + digests.validation.length} different ones; at least ${minForTest} are needed), so there are none on which a tuned model can be measured; evaluate all of them with --split all.`
        : `${data} has none of the run's test problems any more; restore it, or evaluate all of its problems with --split all.`,
    );
  report(
    `Evaluating the test part of ${data}, ${count} of ${rows.length} problems${isTunedOn ? ', as the tuning run split them' : ''}; --split all takes all of them.`,
  );
  return [...test];
}

/** Finds programs that pass the tests of their process without computing what the tests ask for (docs/security.md). */
import { withChangedExpectations } from '../../syntax/expectations.ts';
import { type ChangedResults, forgedVerdictOf, isChecked } from '../../workspace/changed-tests.ts';
import type { Verdict } from '../../workspace/verdict.ts';
import { verdictKey } from '../../workspace/verdict-cache.ts';
import { candidateProgram } from './program.ts';
import type { CodeRow } from './row.ts';

type Judge = (row: CodeRow, source: string) => Promise<Verdict>;

/**
 * Runs the tests of a program again, with another nonce and with expected values that the row's solution fails. Returns a failed
 * verdict if the program passes one of those; null if it does not, if it is not checked, or if the row has no solution.
 *
 * @param verdict the result of the unchanged tests, in the process of the program
 * @param judge runs the tests of a row on a program in its process
 */
export async function forgedVerdict(
  row: CodeRow,
  source: string,
  verdict: Extract<Verdict, { outcome: 'scored' }>,
  judge: Judge,
): Promise<Verdict | null> {
  const solution = row.solution === undefined ? null : candidateProgram(row, row.solution, 'plain');
  if (solution === null || source === solution.source || !isChecked(verdict, verdictKey(row.tests, source)))
    return null;
  const tests = await withChangedExpectations(row.language, row.tests);
  if (tests === null) return null;
  const changed = { ...row, tests };
  const expected = await resultsOf(await judge(row, solution.source), await judge(changed, solution.source));
  return expected === null ? null : forgedVerdictOf(expected, verdict, await judge(changed, source));
}

/** The tests that the solution passes, by whether it also passes them when they are changed; null if a run of it is not complete. */
function resultsOf(before: Verdict, after: Verdict): ChangedResults | null {
  if (before.outcome !== 'scored' || after.outcome !== 'scored') return null;
  const passed = before.tests.filter((test) => test.passed).map(({ id }) => id);
  const passing = after.tests.filter((test) => test.passed).map(({ id }) => id);
  return {
    failing: passed.filter((id) => !passing.includes(id)),
    passing: passed.filter((id) => passing.includes(id)),
  };
}

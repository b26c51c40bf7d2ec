/** Finds bodies that pass the tests of a workspace without computing what the tests ask for (docs/security.md). */
import { changedTestsOf, forgedVerdictOf, isChecked, type TestSetup } from '../../workspace/changed-tests.ts';
import { runTests } from '../../workspace/run-tests.ts';
import type { Verdict } from '../../workspace/verdict.ts';
import { VerdictCache, verdictKey } from '../../workspace/verdict-cache.ts';
import type { WorkspaceRow } from './row.ts';

const cache = new VerdictCache();

/**
 * Runs the tests of a body again, with another nonce, in another order, and with expectations that the original function fails.
 * Returns a failed verdict if the body passes one of those, or fails a test that it passed before and that the original passes;
 * null if it does not, or if the body is not looked at.
 *
 * @param text the file with the body
 * @param verdict the result of the unchanged tests
 */
export async function forgedVerdict(
  setup: TestSetup,
  row: WorkspaceRow,
  text: string,
  verdict: Verdict,
): Promise<Verdict | null> {
  if (verdict.outcome !== 'scored') return null;
  if (text === `${row.prefix}${row.body}${row.suffix}`) return null;
  const contentKey = verdictKey('again', row.snapshot, setup.runner.version, row.file, text, row.guards);
  if (!isChecked(verdict, contentKey)) return null;
  for (const guard of row.guards) {
    const changed = await changedTestsOf(setup, guard);
    if (changed === null) continue;
    const request = {
      testFile: guard.testFile,
      changed: [{ file: row.file, text }],
      expected: guard.expected,
      changedTests: changed.files,
    };
    const again = await cache.get(verdictKey(contentKey, guard.testFile, changed), async () => {
      return (await runTests(setup.sandbox, setup.snapshot, setup.runner, request, setup.signal)).verdict;
    });
    const forged = forgedVerdictOf(changed, verdict, again);
    if (forged !== null) return forged;
  }
  return null;
}

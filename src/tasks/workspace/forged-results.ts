/** Finds bodies that pass the tests of a workspace without computing what the tests ask for (docs/security.md). */
import { type ChangedTests, changedTestsOf, type TestSetup } from '../../workspace/changed-tests.ts';
import { runTests } from '../../workspace/run-tests.ts';
import { passRate, type TestResult, type Verdict } from '../../workspace/verdict.ts';
import { VerdictCache, verdictKey } from '../../workspace/verdict-cache.ts';
import type { WorkspaceRow } from './row.ts';

/** Of the bodies that pass some of the tests, one in this number is checked. All bodies that pass all tests are checked. */
const sampled = 4;

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
  const share = passRate(verdict);
  if (verdict.outcome !== 'scored' || share === null || share === 0) return null;
  if (text === `${row.prefix}${row.body}${row.suffix}`) return null;
  const contentKey = verdictKey('again', row.snapshot, setup.runner.version, row.file, text, row.guards);
  if (share < 1 && Number.parseInt(contentKey.slice(0, 8), 16) % sampled !== 0) return null;
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
    const reason = forgery(changed, verdict.tests, again);
    if (reason !== null) return { outcome: 'failed', reason, late: false, forged: true, seconds: verdict.seconds };
  }
  return null;
}

/** What shows that a result was forged; null if nothing does. A run that a limit or this machine ended shows nothing. */
function forgery(changed: ChangedTests, before: readonly TestResult[], again: Verdict): string | null {
  if (again.outcome === 'broken' || (again.outcome === 'failed' && again.late)) return null;
  if (again.outcome === 'failed') return `its tests ended differently when they were repeated: ${again.reason}`;
  const passed = new Set(again.tests.filter((test) => test.passed).map(({ id }) => id));
  const passedBefore = new Set(before.filter((test) => test.passed).map(({ id }) => id));
  const forged = changed.failing.find((id) => passedBefore.has(id) && passed.has(id));
  if (forged !== undefined)
    return `it also passes ${forged} with another expected value, which the original function fails, so its results did not decide`;
  const lost = changed.passing.find((id) => passedBefore.has(id) && !passed.has(id));
  return lost !== undefined
    ? `${lost} fails in another order of the tests, in which the original function passes`
    : null;
}

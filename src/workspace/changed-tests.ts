/**
 * Tests that are changed to find forged results. In a workspace, tests and the function under test share a process, so a function can
 * make its tests pass without computing anything. A changed test file has another order, and expects other values: the original
 * function was seen to pass and to fail certain tests of it. A function that passes a test that the original fails has not deserved its
 * result, because no value equals both the original expectation and the changed one.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { withChangedExpectations } from '../syntax/expectations.ts';
import { withReversedTests } from '../syntax/test-order.ts';
import { languageOf } from '../syntax/trees.ts';
import { type ChangedFile, runTests } from './run-tests.ts';
import type { TestRunner } from './runners/runner.ts';
import type { Snapshot } from './snapshot.ts';
import type { CoveringTests } from './tested-function.ts';
import { passRate, type TestResult, type Verdict } from './verdict.ts';
import { VerdictCache, verdictKey } from './verdict-cache.ts';

/** The tests that a correct function fails and passes after they were changed. */
export interface ChangedResults {
  readonly failing: readonly string[];
  readonly passing: readonly string[];
}

/** Changed test files, and what the original function does in them. */
export interface ChangedTests extends ChangedResults {
  readonly files: readonly ChangedFile[];
}

export interface TestSetup {
  readonly sandbox: Sandbox;
  readonly snapshot: Snapshot;
  readonly runner: TestRunner;
  readonly signal?: AbortSignal | undefined;
}

const cache = new VerdictCache();
const known = new Map<string, Promise<ChangedTests | null>>();

/**
 * The changed tests of a test file, found by running the original function, and kept by content. Null if neither the expectations
 * nor the order can be changed, or if the original function ends differently with them.
 */
export function changedTestsOf(setup: TestSetup, guard: CoveringTests): Promise<ChangedTests | null> {
  const key = verdictKey(setup.snapshot.digest, setup.runner.version, guard);
  let found = known.get(key);
  if (!found) {
    found = find(setup, guard);
    known.set(key, found);
    // An interrupted search is repeated.
    found.catch(() => known.delete(key));
  }
  return found;
}

async function find(setup: TestSetup, guard: CoveringTests): Promise<ChangedTests | null> {
  const texts = await testTexts(setup, guard.testFile);
  const reversed = await changeTexts(texts, withReversedTests);
  const order = reversed.length === 0 ? null : await passedBy(setup, guard, reversed);
  const mayReverse = order !== null && guard.tests.every((test) => order.includes(test));
  const changed = await changeTexts(texts, withChangedExpectations);
  const files = mayReverse ? await bothChanges(texts, changed, reversed) : changed;
  if (files.length === 0) return null;
  const passing = changed.length === 0 ? order : await passedBy(setup, guard, files);
  if (passing === null) return null;
  return {
    files,
    failing: guard.tests.filter((test) => !passing.includes(test)),
    passing: guard.tests.filter((test) => passing.includes(test)),
  };
}

/** The test files of a unit that runs separately: the file of that name, or the files in the folder of that name. */
async function testTexts({ snapshot, runner }: TestSetup, testFile: string): Promise<ChangedFile[]> {
  const folder = path.posix.normalize(`${testFile}/`);
  const isOfUnit = (file: string) =>
    file === testFile || (runner.isTest(file) && (folder === './' || file.startsWith(folder)));
  const files = snapshot.files.filter((file) => isOfUnit(file) && languageOf(file) !== null);
  const texts = files.map(async (file) => ({
    file,
    // A test in a file of the code, as in Rust, is not fixed: candidates replace that file.
    text: await readFile(path.join(snapshot.fixed, file), 'utf8').catch(() => ''),
  }));
  return (await Promise.all(texts)).filter(({ text }) => text !== '');
}

async function changeTexts(
  files: readonly ChangedFile[],
  change: (language: string, text: string) => Promise<string | null>,
): Promise<ChangedFile[]> {
  const changed = await Promise.all(
    files.map(async ({ file, text }) => ({ file, text: await change(languageOf(file) as string, text) })),
  );
  return changed.flatMap(({ file, text }) => (text === null ? [] : [{ file, text }]));
}

/** Files with changed expectations, in the reverse order where it differs. */
async function bothChanges(
  texts: readonly ChangedFile[],
  changed: readonly ChangedFile[],
  reversed: readonly ChangedFile[],
): Promise<ChangedFile[]> {
  const all = texts.map((one) => changed.find(({ file }) => file === one.file) ?? one);
  const again = await changeTexts(all, withReversedTests);
  return all.flatMap((one) => {
    const isChanged = [...changed, ...reversed].some(({ file }) => file === one.file);
    return isChanged ? [again.find(({ file }) => file === one.file) ?? one] : [];
  });
}

/** The tests that pass with the original function; null if the report is not complete. */
async function passedBy(
  { sandbox, snapshot, runner, signal }: TestSetup,
  { testFile, expected }: CoveringTests,
  changedTests: readonly ChangedFile[],
): Promise<string[] | null> {
  const key = verdictKey('changed tests', snapshot.digest, runner.version, testFile, changedTests);
  const verdict: Verdict = await cache.get(key, async () => {
    const request = { testFile, changed: [], expected, changedTests };
    return (await runTests(sandbox, snapshot, runner, request, signal)).verdict;
  });
  return verdict.outcome === 'scored' ? verdict.tests.filter(({ passed }) => passed).map(({ id }) => id) : null;
}

/** Of the candidates that pass some of the tests, one in this number is checked. All candidates that pass all tests are checked. */
const sampled = 4;

/** Whether a verdict is checked by changed tests. The sample is chosen by content, so that a resumed run checks the same candidates. */
export function isChecked(verdict: Verdict, contentKey: string): boolean {
  const share = passRate(verdict);
  if (share === null || share === 0) return false;
  return share === 1 || Number.parseInt(contentKey.slice(0, 8), 16) % sampled === 0;
}

/**
 * The verdict on a candidate whose result is forged, which the changed tests show; null if they do not. A run that a limit or this
 * machine ended shows nothing.
 */
export function forgedVerdictOf(
  changed: ChangedResults,
  before: Extract<Verdict, { outcome: 'scored' }>,
  again: Verdict,
): Verdict | null {
  const reason = forgery(changed, before.tests, again);
  return reason === null ? null : { outcome: 'failed', reason, late: false, forged: true, seconds: before.seconds };
}

function forgery(changed: ChangedResults, before: readonly TestResult[], again: Verdict): string | null {
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

import { availableParallelism } from 'node:os';
import { UserError } from '../platform/errors.ts';
import { limitConcurrency } from '../platform/limit-concurrency.ts';
import type { Work } from './discovery-work.ts';
import type { Coverage } from './harness-report.ts';
import { runTests } from './run-tests.ts';

/** A test file, run on the unchanged workspace. */
export interface Baseline {
  readonly testFile: string;
  readonly passing: readonly string[];
  readonly all: readonly string[];
  readonly coverage: readonly Coverage[];
  readonly seconds: number;
}

/** Runs each test file on the unchanged workspace. Throws a `UserError` with the reason if no test passes. */
export async function runBaselines(work: Work): Promise<Baseline[]> {
  const { root, runner, snapshot, sandbox, hooks, leftOut } = work;
  const testFiles = runner.suites?.(snapshot.files) ?? snapshot.files.filter((file) => runner.isTest(file));
  let done = 0;
  const failures: string[] = [];
  const baselines = await limitConcurrency(testFiles, availableParallelism(), async (testFile) => {
    if (isHopeless(failures)) return null;
    work.runs.count++;
    const request = { testFile, changed: [], expected: null, coverage: true };
    const { verdict, coverage } = await runTests(sandbox, snapshot, runner, request, hooks.signal);
    hooks.onProgress?.(++done, testFiles.length, 'test files');
    failures.push(verdict.outcome === 'scored' ? '' : verdict.reason);
    if (verdict.outcome !== 'scored') {
      leftOut.push({ file: testFile, name: null, reason: verdict.reason });
      return null;
    }
    for (const { id, passed, message = '' } of verdict.tests)
      if (!passed)
        leftOut.push({ file: testFile, name: id, reason: isSkipped(message) ? message : `does not pass: ${message}` });
    if (verdict.tests.length === 0) leftOut.push({ file: testFile, name: null, reason: 'it reports no tests' });
    const passing = verdict.tests.filter(({ passed }) => passed).map(({ id }) => id);
    return { testFile, passing, all: verdict.tests.map(({ id }) => id), coverage, seconds: verdict.seconds };
  });
  const whole = baselines.filter((baseline) => baseline !== null);
  if (whole.every(({ passing }) => passing.length === 0)) {
    const reason = commonest(leftOut.map((one) => firstLine(one.reason)));
    const first = leftOut.find((one) => firstLine(one.reason) === reason);
    throw new UserError(
      `No test of ${root} passes in the sandbox${first ? ` (${first.file}: ${reason})` : ''}; a reward needs passing tests.`,
    );
  }
  return whole;
}

/** If this many test files fail for the same reason and none passes, the others are not tried. */
const mostAlike = 8;

/** @param failures the reason of each test file that was tried; empty: it could be run */
const isHopeless = (failures: readonly string[]): boolean =>
  failures.length >= mostAlike && failures[0] !== '' && new Set(failures).size === 1;

/** What every harness reports for a test that was skipped. */
const isSkipped = (message: string): boolean => /^skipped\b/.test(message);

const firstLine = (text: string): string => text.split('\n', 1)[0] as string;

/** The most frequent text; among equally frequent ones, the first. */
function commonest(texts: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one)[0]?.[0];
}

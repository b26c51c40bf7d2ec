import { availableParallelism } from 'node:os';
import { limitConcurrency } from '../platform/limit-concurrency.ts';
import type { SandboxLimits } from '../sandbox/limits.ts';
import { longestBody, withoutBody } from '../syntax/functions.ts';
import type { Baseline } from './baselines.ts';
import type { FoundFunction, Work } from './discovery-work.ts';
import type { Coverage } from './harness-report.ts';
import { type ChangedFile, runTests, suiteLimits } from './run-tests.ts';
import type { CoveringTests, TestedFunction } from './tested-function.ts';
import type { Verdict } from './verdict.ts';
import { VerdictCache, verdictKey } from './verdict-cache.ts';

/** Maximum number of test files run per function; files that call the fewest other functions come first. */
const maxTestFiles = 3;
/** Maximum number of functions whose bodies are removed in one run. */
const mostTogether = 32;

const cache = new VerdictCache();

/** A function whose body is removed, and what the test files that call it report then. */
interface Removal {
  readonly function: FoundFunction;
  readonly testFiles: readonly Baseline[];
  readonly verdicts: Map<Baseline, Verdict>;
}

/** A run of a test file without the bodies of some functions. */
interface RemovalRun {
  readonly baseline: Baseline;
  readonly removals: readonly Removal[];
}

/**
 * Removes the bodies of functions and finds the tests that then fail. Returns the functions for which there are any, in order, and
 * records why the others are left out. Functions that no test calls both of share a run.
 */
export async function removeBodies(
  work: Work,
  functions: readonly FoundFunction[],
  baselines: readonly Baseline[],
): Promise<TestedFunction[]> {
  const planned = functions.flatMap((found) => planRemoval(work, found, baselines) ?? []);
  const runs = baselines.flatMap((baseline) =>
    groupRemovals(
      baseline,
      planned.filter(({ testFiles }) => testFiles.includes(baseline)),
    ),
  );
  let done = functions.length - planned.length;
  await limitConcurrency(runs, availableParallelism(), async ({ baseline, removals }) => {
    await work.hooks.betweenFunctions?.();
    await runTogether(work, baseline, removals);
    done += removals.filter(({ testFiles, verdicts }) => verdicts.size === testFiles.length).length;
    work.hooks.onProgress?.(done, functions.length, 'functions');
  });
  return planned.flatMap((removal) => testedFunction(work, removal) ?? []);
}

function leaveOut({ leftOut }: Work, { file, found }: FoundFunction, reason: string): null {
  leftOut.push({ file, name: found.name, reason });
  return null;
}

/** The test files to run without a function's body; null, with the reason recorded, if it is left out. */
function planRemoval(work: Work, found: FoundFunction, baselines: readonly Baseline[]): Removal | null {
  const body = bodyOf(found);
  if (body.trim() === '') return leaveOut(work, found, 'its body is empty');
  if (body.length > longestBody) return leaveOut(work, found, `its body is longer than ${longestBody} characters`);
  const calling = baselines
    .filter(
      ({ coverage }) => work.runner.reportsCalls === false || coverage.some((entry) => callIndex(entry, found) >= 0),
    )
    .sort((a, b) => a.coverage.length - b.coverage.length);
  if (calling.length === 0) return leaveOut(work, found, 'no test calls it');
  return { function: found, testFiles: calling.slice(0, maxTestFiles), verdicts: new Map() };
}

const bodyOf = ({ text, found }: FoundFunction): string => text.slice(found.start, found.end);

/** Puts removals into one run if it is known which tests call each of the functions, and no test calls two of them. */
function groupRemovals(baseline: Baseline, removals: readonly Removal[]): RemovalRun[] {
  const groups: { removals: Removal[]; called: Set<string> }[] = [];
  const alone: RemovalRun[] = [];
  for (const removal of removals) {
    const called = testsThatCall(removal.function, baseline.all, baseline.coverage);
    if (called === null) {
      alone.push({ baseline, removals: [removal] });
      continue;
    }
    const group = groups.find((one) => one.removals.length < mostTogether && called.every((id) => !one.called.has(id)));
    if (group) {
      group.removals.push(removal);
      for (const id of called) group.called.add(id);
    } else groups.push({ removals: [removal], called: new Set(called) });
  }
  return [...alone, ...groups.map((group) => ({ baseline, removals: group.removals }))];
}

/** The tests that call a function, and the tests around these; null if calls outside of tests are possible. */
function testsThatCall(found: FoundFunction, ids: readonly string[], coverage: readonly Coverage[]): string[] | null {
  const called = new Set<string>();
  for (const entry of coverage) {
    const index = callIndex(entry, found);
    if (index < 0) continue;
    const tests = entry.tests?.[index];
    if (!tests) return null;
    for (const test of tests) called.add(ids[test] as string);
  }
  return ids.filter((id) => called.has(id) || [...called].some((inner) => inner.startsWith(`${id} > `)));
}

/**
 * The index of a function in an entry of the coverage, by the offset of its end if the coverage has offsets, otherwise by its
 * name; -1: it is not there.
 */
function callIndex({ file, names, ends }: Coverage, { file: own, found: { name, end } }: FoundFunction): number {
  if (file !== own) return -1;
  const atEnd = ends.findIndex((other) => other === end + 1 || other === end);
  if (atEnd >= 0) return atEnd;
  const short = (name.split('.').at(-1) as string).replace(/^constructor$/, name.split('.').at(-2) ?? name);
  return names.findIndex((other) => other === short || other === `get ${short}`);
}

/** Runs a test file without the bodies of some functions, and finds out which of them makes each test fail. */
async function runTogether(work: Work, baseline: Baseline, removals: readonly Removal[]): Promise<void> {
  const missing: Removal[] = [];
  for (const removal of removals) {
    const known = await cache.known(keyOf(work, baseline, removal));
    if (known) removal.verdicts.set(baseline, known);
    else missing.push(removal);
  }
  const shared = missing.length > 1 ? await sharedVerdicts(work, baseline, missing) : null;
  for (const [index, removal] of missing.entries()) {
    const verdict = shared?.[index] ?? null;
    const make = verdict ? async () => verdict : () => runWithout(work, baseline, [removal]).then((run) => run.verdict);
    removal.verdicts.set(baseline, await cache.get(keyOf(work, baseline, removal), make));
  }
}

const keyOf = ({ snapshot, runner }: Work, { testFile }: Baseline, { function: found }: Removal): string => {
  const changed = { file: found.file, text: textWithout([found]).text };
  return verdictKey('removal', snapshot.digest, runner.version, testFile, changed);
};

/**
 * The verdict for each function of one run without all of their bodies, as a run without its body alone would give it. Null for a
 * function if that is not known: the report is incomplete, or a failing test called more than one of the functions or none.
 */
async function sharedVerdicts(
  work: Work,
  baseline: Baseline,
  removals: readonly Removal[],
): Promise<(Verdict | null)[]> {
  const functions = removals.map(({ function: found }) => found);
  const { verdict, coverage, changed } = await runWithout(
    work,
    baseline,
    functions.map((found) => ({ function: found })),
    true,
  );
  const ids = verdict.outcome === 'scored' ? verdict.tests.map(({ id }) => id) : [];
  if (verdict.outcome !== 'scored' || ids.join('\n') !== baseline.all.join('\n')) return removals.map(() => null);
  const before = functions.map((found) => new Set(testsThatCall(found, baseline.all, baseline.coverage)));
  // Without one of the bodies, a test may call functions that it did not call before.
  const after = changed.map((found) => testsThatCall(found, ids, coverage));
  const failing = verdict.tests.filter(({ id, passed }) => !passed && baseline.passing.includes(id));
  const isExplained = failing.every(({ id }) => before.some((tests) => tests.has(id)));
  return removals.map((_, index) => {
    const own = before[index] as Set<string>;
    const isMixed = after.some(
      (tests, other) => other !== index && (tests === null || tests.some((id) => own.has(id))),
    );
    if (!isExplained || isMixed) return null;
    const tests = verdict.tests.map((test) =>
      own.has(test.id) || !baseline.passing.includes(test.id) ? test : { id: test.id, passed: true },
    );
    return { ...verdict, tests };
  });
}

/** Runs a test file without the bodies of functions. `changed` are these functions in the changed texts. */
async function runWithout(
  work: Work,
  { testFile, seconds }: Baseline,
  removals: readonly Pick<Removal, 'function'>[],
  coverage = false,
) {
  const { sandbox, snapshot, runner, hooks } = work;
  work.runs.count++;
  const functions = removals.map(({ function: found }) => found);
  const files = [...new Set(functions.map(({ file }) => file))].map((file) =>
    textWithout(functions.filter((found) => found.file === file)),
  );
  const limits = limitsFor(seconds, { ...suiteLimits, ...runner.limits });
  const request = { testFile, changed: files as readonly ChangedFile[], expected: null, coverage, limits };
  const run = await runTests(sandbox, snapshot, runner, request, hooks.signal);
  const moved = files.flatMap((file) => file.functions);
  return { ...run, changed: functions.map((found) => moved.find(({ from }) => from === found)!.moved) };
}

/** A test file that takes much longer without a body than with it will not end. The clock is more patient than the CPU's. */
function limitsFor(seconds: number, { seconds: most = 20, cpuSeconds = 10 }: Partial<SandboxLimits>) {
  return {
    seconds: Math.min(most, Math.ceil(5 + 10 * seconds)),
    cpuSeconds: Math.min(cpuSeconds, Math.ceil(2 + 5 * seconds)),
  };
}

/** The text of a file without the bodies of some of its functions, and where these are then. */
function textWithout(functions: readonly FoundFunction[]) {
  const [first] = functions as readonly [FoundFunction, ...FoundFunction[]];
  const { file, language } = first;
  let text = first.text;
  let shift = 0;
  const ordered = [...functions].sort((a, b) => a.found.start - b.found.start);
  const moved = ordered.map((from) => {
    const { found } = from;
    const place = { ...found, start: found.start + shift, end: found.end + shift };
    const length = text.length;
    text = withoutBody(language, text, place);
    shift += text.length - length;
    return { from, moved: { ...from, found: { ...place, end: found.end + shift } } };
  });
  return { file, text, functions: moved };
}

/** A function with the tests that fail without its body. Null, with the reason recorded, if there are none. */
function testedFunction(work: Work, { function: tried, testFiles, verdicts }: Removal): TestedFunction | null {
  const guards: CoveringTests[] = [];
  for (const baseline of testFiles) {
    const verdict = verdicts.get(baseline) as Verdict;
    if (verdict.outcome === 'broken') return leaveOut(work, tried, `the sandbox failed: ${verdict.reason}`);
    const left = verdict.outcome === 'scored' ? verdict.tests.filter(({ passed }) => passed).map(({ id }) => id) : [];
    const tests = baseline.passing.filter((id) => !left.includes(id));
    if (tests.length > 0) guards.push({ testFile: baseline.testFile, tests, expected: baseline.all });
  }
  if (guards.length === 0)
    return leaveOut(
      work,
      tried,
      work.runner.reportsCalls === false
        ? 'all tests also pass without its body'
        : 'the tests that call it also pass without its body',
    );
  const { file, language, text, found } = tried;
  return {
    workspace: work.root,
    snapshot: work.snapshot.digest,
    command: work.command,
    file,
    function: found.name,
    line: found.line,
    language,
    prefix: text.slice(0, found.start),
    body: bodyOf(tried),
    suffix: text.slice(found.end),
    guards,
  };
}

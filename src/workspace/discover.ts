import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { UserError } from '../platform/errors.ts';
import { limitConcurrency } from '../platform/limit-concurrency.ts';
import type { LeftOut } from '../protocol/discovery.ts';
import { openSandbox } from '../sandbox/open-sandbox.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { findFunctions, hasFunctions, longestBody, type SourceFunction, withoutBody } from '../syntax/functions.ts';
import { languageOf } from '../syntax/trees.ts';
import { changedTestsOf } from './changed-tests.ts';
import { hasSecret, workspaceFiles } from './files.ts';
import type { Coverage } from './harness-report.ts';
import { runTests } from './run-tests.ts';
import { findRunner } from './runners/find-runner.ts';
import type { TestRunner } from './runners/runner.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import { VerdictCache, verdictKey } from './verdict-cache.ts';

/** A function that is covered by tests: a problem of the task `workspace`. */
export interface TestedFunction {
  readonly workspace: string;
  /** Digest of the snapshot on which its tests run. */
  readonly snapshot: string;
  /** The user's test command; null: the detected runner. */
  readonly command: string | null;
  readonly file: string;
  readonly function: string;
  readonly line: number;
  /** VS Code's language id. */
  readonly language: string;
  /** The file's text before the body, the body, and the text after it. */
  readonly prefix: string;
  readonly body: string;
  readonly suffix: string;
  readonly guards: readonly CoveringTests[];
}

/** A test file with tests that fail without the function's body. */
export interface CoveringTests {
  readonly testFile: string;
  /** The tests that fail. */
  readonly tests: readonly string[];
  /** All tests of the file that a complete report lists. */
  readonly expected: readonly string[];
}

export interface Discovery {
  readonly workspace: string;
  readonly snapshot: string;
  readonly runner: string;
  readonly tests: number;
  readonly functions: number;
  readonly tasks: readonly TestedFunction[];
  /** For each task, whether a body that forges its test results would be noticed (`changedTestsOf`). */
  readonly checkable: readonly boolean[];
  readonly leftOut: readonly LeftOut[];
  /** Number of test runs; cached verdicts are not counted. */
  readonly runs: number;
}

export interface DiscoveryHooks {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number, what: string) => void;
  /** Awaited before every function is tested; throws to stop. */
  readonly betweenFunctions?: () => Promise<void>;
  /** The user's test command, which reports in TAP. Null or absent: the runner is detected. */
  readonly command?: string | null;
}

/** Maximum number of test files run per function; those that call the fewest other functions come first. */
const maxTestFiles = 3;

const cache = new VerdictCache();

/**
 * Finds the functions of a workspace that are covered by tests: some test that passes fails when the function's body
 * is removed. Each test file is run once unchanged, which also records the functions it calls. Then each function's
 * body is removed and the test files that call it are run. Throws a `UserError` with the reason if there is nothing
 * to learn from.
 */
export async function discover(folder: string, hooks: DiscoveryHooks = {}): Promise<Discovery> {
  const root = path.resolve(folder);
  const command = hooks.command ?? null;
  const { runner, snapshot } = await openWorkspace(root, command);
  const sandbox = await openSandbox();
  const work: Work = { root, command, runner, snapshot, sandbox, hooks, leftOut: [], runs: { count: 0 } };
  const baselines = await runBaselines(work);
  const functions = await sourceFunctions(work);
  let done = 0;
  const tried = await limitConcurrency(functions, availableParallelism(), async (found) => {
    await hooks.betweenFunctions?.();
    const task = await tryFunction(work, found, baselines);
    const checkable = task !== null && (await isCheckable(work, task));
    hooks.onProgress?.(++done, functions.length, 'functions');
    return { task, checkable };
  });
  const tasks = tried.flatMap(({ task, checkable }) => (task === null ? [] : [{ task, checkable }]));
  return {
    workspace: root,
    snapshot: snapshot.digest,
    runner: runner.name,
    tests: baselines.reduce((sum, { passing }) => sum + passing.length, 0),
    functions: functions.length,
    tasks: tasks.map(({ task }) => task),
    checkable: tasks.map(({ checkable }) => checkable),
    leftOut: work.leftOut,
    runs: work.runs.count,
  };
}

/** The workspace's current snapshot and test runner. */
export async function openWorkspace(
  root: string,
  command: string | null,
): Promise<{ runner: TestRunner; snapshot: Snapshot }> {
  const runner = await findRunner(root, await workspaceFiles(root), command);
  return {
    runner,
    snapshot: await takeSnapshot(root, { isFixed: runner.isConfiguration, stripTypes: runner.stripTypes }),
  };
}

interface Work {
  readonly root: string;
  readonly command: string | null;
  readonly runner: TestRunner;
  readonly snapshot: Snapshot;
  readonly sandbox: Sandbox;
  readonly hooks: DiscoveryHooks;
  readonly leftOut: LeftOut[];
  readonly runs: { count: number };
}

/** A test file, run on the unchanged workspace. */
interface Baseline {
  readonly testFile: string;
  readonly passing: readonly string[];
  readonly all: readonly string[];
  readonly coverage: readonly Coverage[];
}

async function runBaselines(work: Work): Promise<Baseline[]> {
  const { root, runner, snapshot, sandbox, hooks, leftOut } = work;
  const testFiles = runner.suites?.(snapshot.files) ?? snapshot.files.filter((file) => runner.isTest(file));
  let done = 0;
  const baselines = await limitConcurrency(testFiles, availableParallelism(), async (testFile) => {
    work.runs.count++;
    const request = { testFile, changed: null, expected: null, coverage: true };
    const { verdict, coverage } = await runTests(sandbox, snapshot, runner, request, hooks.signal);
    hooks.onProgress?.(++done, testFiles.length, 'test files');
    if (verdict.outcome !== 'scored') {
      leftOut.push({ file: testFile, name: null, reason: verdict.reason });
      return null;
    }
    for (const { id, passed, message } of verdict.tests)
      if (!passed) leftOut.push({ file: testFile, name: id, reason: `does not pass: ${message ?? ''}` });
    if (verdict.tests.length === 0) leftOut.push({ file: testFile, name: null, reason: 'it reports no tests' });
    const passing = verdict.tests.filter(({ passed }) => passed).map(({ id }) => id);
    return { testFile, passing, all: verdict.tests.map(({ id }) => id), coverage };
  });
  const whole = baselines.filter((baseline) => baseline !== null);
  if (whole.every(({ passing }) => passing.length === 0)) {
    const [first] = leftOut;
    throw new UserError(
      `No test of ${root} passes in the sandbox${first ? ` (${first.file}: ${first.reason.split('\n')[0]})` : ''}; a reward needs passing tests.`,
    );
  }
  return whole;
}

interface FoundFunction {
  readonly file: string;
  readonly language: string;
  readonly text: string;
  readonly found: SourceFunction;
}

async function sourceFunctions({ root, runner, snapshot, leftOut }: Work): Promise<FoundFunction[]> {
  const sources = snapshot.files.filter((file) => hasFunctions(file) && !runner.isConfiguration(file));
  const functions: FoundFunction[] = [];
  for (const file of sources) {
    const text = decodeUtf8(await readFile(path.join(root, file)));
    if (text === null) {
      leftOut.push({ file, name: null, reason: 'the file is not UTF-8' });
      continue;
    }
    const language = languageOf(file) as string;
    // The file may have changed since the snapshot.
    if (hasSecret(text)) continue;
    for (const found of await findFunctions(language, text)) functions.push({ file, language, text, found });
  }
  return functions;
}

/**
 * Decodes UTF-8, including a byte order mark, so that the text can be written back unchanged. Null if it is not
 * UTF-8.
 */
function decodeUtf8(content: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    return null;
  }
}

/** Removes a function's body and finds the tests that then fail. Null, with the reason recorded, if there are none. */
async function tryFunction(
  work: Work,
  { file, language, text, found }: FoundFunction,
  baselines: readonly Baseline[],
): Promise<TestedFunction | null> {
  const { root, snapshot, command } = work;
  const leave = (reason: string) => {
    work.leftOut.push({ file, name: found.name, reason });
    return null;
  };
  const body = text.slice(found.start, found.end);
  if (body.trim() === '') return leave('its body is empty');
  if (body.length > longestBody) return leave(`its body is longer than ${longestBody} characters`);
  const calling = baselines
    .filter(
      ({ coverage }) =>
        work.runner.reportsCalls === false || coverage.some((entry) => entry.file === file && calls(entry, found)),
    )
    .sort((a, b) => a.coverage.length - b.coverage.length);
  if (calling.length === 0) return leave('no test calls it');
  const changed = { file, text: withoutBody(language, text, found) };
  const guards: CoveringTests[] = [];
  for (const { testFile, passing, all } of calling.slice(0, maxTestFiles)) {
    const key = verdictKey('removal', snapshot.digest, work.runner.version, testFile, changed);
    const verdict = await cache.get(key, async () => {
      work.runs.count++;
      const request = { testFile, changed, expected: null };
      return (await runTests(work.sandbox, snapshot, work.runner, request, work.hooks.signal)).verdict;
    });
    if (verdict.outcome === 'broken') return leave(`the sandbox failed: ${verdict.reason}`);
    const left = verdict.outcome === 'scored' ? verdict.tests.filter(({ passed }) => passed).map(({ id }) => id) : [];
    const tests = passing.filter((id) => !left.includes(id));
    if (tests.length > 0) guards.push({ testFile, tests, expected: all });
  }
  if (guards.length === 0)
    return leave(
      work.runner.reportsCalls === false
        ? 'all tests also pass without its body'
        : 'the tests that call it also pass without its body',
    );
  return {
    workspace: root,
    snapshot: snapshot.digest,
    command,
    file,
    function: found.name,
    line: found.line,
    language,
    prefix: text.slice(0, found.start),
    body,
    suffix: text.slice(found.end),
    guards,
  };
}

/** Whether a test that covers a function fails with another expected value, so that forged results can be noticed. */
async function isCheckable(work: Work, { guards }: TestedFunction): Promise<boolean> {
  const { sandbox, snapshot, runner, hooks } = work;
  const onRun = () => void work.runs.count++;
  for (const guard of guards) {
    const changed = await changedTestsOf({ sandbox, snapshot, runner, signal: hooks.signal, onRun }, guard);
    if (changed !== null && changed.failing.length > 0) return true;
  }
  return false;
}

/** Matches by the offset of the function's end if the coverage has offsets, otherwise by name. */
function calls({ names, ends }: Coverage, { name, end }: SourceFunction): boolean {
  const own = (name.split('.').at(-1) as string).replace(/^constructor$/, name.split('.').at(-2) ?? name);
  return ends.includes(end + 1) || ends.includes(end) || names.includes(own) || names.includes(`get ${own}`);
}

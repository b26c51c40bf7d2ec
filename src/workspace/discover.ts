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
import { hasSecret, workspaceFiles } from './files.ts';
import type { Coverage } from './report.ts';
import { runTests } from './run-tests.ts';
import { findRunner } from './runners/find-runner.ts';
import type { TestRunner } from './runners/runner.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import { VerdictCache, verdictKey } from './verdict-cache.ts';

/** A function that tests guard: a task. */
export interface TestedFunction {
  readonly workspace: string;
  /** Digest of the snapshot that the tests are run on. */
  readonly snapshot: string;
  /** By which its user has the tests run; null: by the runner that was found. */
  readonly command: string | null;
  readonly file: string;
  readonly function: string;
  readonly line: number;
  /** VS Code's id. */
  readonly language: string;
  /** The file before the body, the body, and what is behind it. */
  readonly prefix: string;
  readonly body: string;
  readonly suffix: string;
  readonly guards: readonly Guard[];
}

/** A file of tests of which some fail without the function. */
export interface Guard {
  readonly testFile: string;
  /** Those that do. */
  readonly tests: readonly string[];
  /** All of the file that a whole report names. */
  readonly expected: readonly string[];
}

export interface Discovery {
  readonly workspace: string;
  readonly snapshot: string;
  readonly runner: string;
  readonly tests: number;
  readonly functions: number;
  readonly tasks: readonly TestedFunction[];
  readonly leftOut: readonly LeftOut[];
  /** Runs of test files that were made; those whose verdict was known are not counted. */
  readonly runs: number;
}

export interface DiscoveryHooks {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number, what: string) => void;
  /** Awaited before every function is tried; throws to stop. */
  readonly betweenFunctions?: () => Promise<void>;
  /** A command by which the tests are run, which reports in TAP; null or absent: the runner is found. */
  readonly command?: string | null;
}

/** Test files that a function is tried with, those that call fewest others first. */
const mostGuards = 3;

const cache = new VerdictCache();

/**
 * Finds the functions of a workspace that its tests guard: those without whose body tests fail that pass with it. Each test
 * file is run once as it stands, which also tells what it calls; then each function's body is taken out and the files
 * that call it are run. Throws a `UserError` where there is nothing to learn from, and says why.
 */
export async function discover(folder: string, hooks: DiscoveryHooks = {}): Promise<Discovery> {
  const root = path.resolve(folder);
  const command = hooks.command ?? null;
  const { runner, snapshot } = await workspaceAsItStands(root, command);
  const sandbox = await openSandbox();
  const work: Work = { root, command, runner, snapshot, sandbox, hooks, leftOut: [], runs: { count: 0 } };
  const baselines = await runBaselines(work);
  const functions = await sourceFunctions(work);
  let done = 0;
  const tasks = await limitConcurrency(functions, availableParallelism(), async (found) => {
    await hooks.betweenFunctions?.();
    const task = await tryFunction(work, found, baselines);
    hooks.onProgress?.(++done, functions.length, 'functions');
    return task;
  });
  return {
    workspace: root,
    snapshot: snapshot.digest,
    runner: runner.name,
    tests: baselines.reduce((sum, { passing }) => sum + passing.length, 0),
    functions: functions.length,
    tasks: tasks.filter((task) => task !== null),
    leftOut: work.leftOut,
    runs: work.runs.count,
  };
}

/** A workspace as it stands now, and what runs its tests. */
export async function workspaceAsItStands(
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

/** A file of tests as it stands. */
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
      if (!passed) leftOut.push({ file: testFile, name: id, reason: `does not pass as it stands: ${message ?? ''}` });
    if (verdict.tests.length === 0) leftOut.push({ file: testFile, name: null, reason: 'reports no test' });
    const passing = verdict.tests.filter(({ passed }) => passed).map(({ id }) => id);
    return { testFile, passing, all: verdict.tests.map(({ id }) => id), coverage };
  });
  const whole = baselines.filter((baseline) => baseline !== null);
  if (whole.every(({ passing }) => passing.length === 0)) {
    const [first] = leftOut;
    throw new UserError(
      `No test of ${root} passes in the sandbox as it stands${first ? ` (${first.file}: ${first.reason.split('\n')[0]})` : ''}; a reward needs tests that do.`,
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
    const text = decoded(await readFile(path.join(root, file)));
    if (text === null) {
      leftOut.push({ file, name: null, reason: 'is not written in UTF-8' });
      continue;
    }
    const language = languageOf(file) as string;
    // It may have changed since the snapshot.
    if (hasSecret(text)) continue;
    for (const found of await findFunctions(language, text)) functions.push({ file, language, text, found });
  }
  return functions;
}

/** Text with all that it has, so that it can be written back as it was; null for what is no UTF-8. */
function decoded(content: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    return null;
  }
}

/** Takes a function's body out and looks which tests mind; null, with the reason noted, where none does. */
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
  if (body.trim() === '') return leave('has an empty body');
  if (body.length > longestBody) return leave(`is longer than ${longestBody} characters`);
  const calling = baselines
    .filter(
      ({ coverage }) =>
        work.runner.tellsCalls === false || coverage.some((entry) => entry.file === file && calls(entry, found)),
    )
    .sort((a, b) => a.coverage.length - b.coverage.length);
  if (calling.length === 0) return leave('no test calls it');
  const changed = { file, text: withoutBody(language, text, found) };
  const guards: Guard[] = [];
  for (const { testFile, passing, all } of calling.slice(0, mostGuards)) {
    const key = verdictKey('removal', snapshot.digest, work.runner.version, testFile, changed);
    const verdict = await cache.get(key, async () => {
      work.runs.count++;
      const request = { testFile, changed, expected: null };
      return (await runTests(work.sandbox, snapshot, work.runner, request, work.hooks.signal)).verdict;
    });
    if (verdict.outcome === 'broken') return leave(`the sandbox broke: ${verdict.reason}`);
    const left = verdict.outcome === 'scored' ? verdict.tests.filter(({ passed }) => passed).map(({ id }) => id) : [];
    const tests = passing.filter((id) => !left.includes(id));
    if (tests.length > 0) guards.push({ testFile, tests, expected: all });
  }
  if (guards.length === 0)
    return leave(work.runner.tellsCalls === false ? 'no test minds' : 'the tests that call it pass without it');
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

/** By the place of its end where the coverage tells any, else by its own name. */
function calls({ names, ends }: Coverage, { name, end }: SourceFunction): boolean {
  const own = (name.split('.').at(-1) as string).replace(/^constructor$/, name.split('.').at(-2) ?? name);
  return ends.includes(end + 1) || ends.includes(end) || names.includes(own) || names.includes(`get ${own}`);
}

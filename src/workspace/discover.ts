import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { limitConcurrency } from '../platform/limit-concurrency.ts';
import type { LeftOut } from '../protocol/discovery.ts';
import { openSandbox } from '../sandbox/open-sandbox.ts';
import { findFunctions, hasFunctions } from '../syntax/functions.ts';
import { languageOf } from '../syntax/trees.ts';
import { runBaselines } from './baselines.ts';
import { changedTestsOf } from './changed-tests.ts';
import type { DiscoveryHooks, FoundFunction, Work } from './discovery-work.ts';
import { hasSecret, workspaceFiles } from './files.ts';
import { removeBodies } from './removals.ts';
import { findRunner } from './runners/find-runner.ts';
import type { TestRunner } from './runners/runner.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import type { TestedFunction } from './tested-function.ts';

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
  /** Number of runs that found the tasks; cached verdicts, and the runs for `checkable`, are not counted. */
  readonly runs: number;
}

/**
 * Finds the functions of a workspace that are covered by tests: some test that passes fails when the function's body
 * is removed. Each test file is run once unchanged, which also records the functions that each test calls. Then the functions'
 * bodies are removed, those that no test calls both of in one run, and the test files that call them are run. Throws a `UserError`
 * with the reason if there is nothing to learn from.
 */
export async function discover(folder: string, hooks: DiscoveryHooks = {}): Promise<Discovery> {
  const root = path.resolve(folder);
  const command = hooks.command ?? null;
  const { runner, snapshot } = await openWorkspace(root, command);
  const sandbox = await openSandbox();
  const work: Work = { root, command, runner, snapshot, sandbox, hooks, leftOut: [], runs: { count: 0 } };
  const baselines = await runBaselines(work);
  const functions = await sourceFunctions(work);
  const tasks = await removeBodies(work, functions, baselines);
  const checkable = await limitConcurrency(tasks, availableParallelism(), async (task) => {
    await hooks.betweenFunctions?.();
    return isCheckable(work, task);
  });
  return {
    workspace: root,
    snapshot: snapshot.digest,
    runner: runner.name,
    tests: baselines.reduce((sum, { passing }) => sum + passing.length, 0),
    functions: functions.length,
    tasks,
    checkable,
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

/** Whether a test that covers a function fails with another expected value, so that forged results can be noticed. */
async function isCheckable({ sandbox, snapshot, runner, hooks }: Work, { guards }: TestedFunction): Promise<boolean> {
  for (const guard of guards) {
    const changed = await changedTestsOf({ sandbox, snapshot, runner, signal: hooks.signal }, guard);
    if (changed !== null && changed.failing.length > 0) return true;
  }
  return false;
}

import path from 'node:path';
import type { SandboxLimits } from '../sandbox/limits.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { stripTypes } from '../syntax/strip-types.ts';
import { type Coverage, coverageOf, newNonce, verdictOf } from './harness-report.ts';
import type { TestRunner } from './runners/runner.ts';
import type { Snapshot } from './snapshot.ts';
import { isWorthRepeating, type Verdict } from './verdict.ts';

/** The limits of one test file. */
export const suiteLimits: Partial<SandboxLimits> = {
  seconds: 20,
  cpuSeconds: 10,
  memoryMiB: 1024,
  processes: 128,
  outputMiB: 4,
  scratchMiB: 128,
};

/** A source file of the workspace with a changed text. */
export interface ChangedFile {
  readonly file: string;
  readonly text: string;
}

export interface TestRun {
  readonly verdict: Verdict;
  readonly coverage: readonly Coverage[];
}

export interface TestRequest {
  readonly testFile: string;
  /** The candidate; none: the unchanged workspace. */
  readonly changed: readonly ChangedFile[];
  /** Test ids that must be reported, no more and no fewer; null if they are not known yet. */
  readonly expected: readonly string[] | null;
  /** Test files with another text, in the form of the snapshot's files. */
  readonly changedTests?: readonly ChangedFile[];
  readonly coverage?: boolean;
  /** Limits that differ from those of the runner. */
  readonly limits?: Partial<SandboxLimits>;
}

/**
 * Runs a test file on a copy of the snapshot, in the sandbox. A run that broke or was killed is repeated once, because the cause
 * may be temporary.
 */
export async function runTests(
  sandbox: Sandbox,
  snapshot: Snapshot,
  runner: TestRunner,
  request: TestRequest,
  signal?: AbortSignal,
): Promise<TestRun> {
  const first = await runOnce(sandbox, snapshot, runner, request, signal);
  return isWorthRepeating(first.verdict) ? runOnce(sandbox, snapshot, runner, request, signal) : first;
}

async function runOnce(
  sandbox: Sandbox,
  snapshot: Snapshot,
  runner: TestRunner,
  { testFile, changed, expected, changedTests = [], coverage = false, limits = {} }: TestRequest,
  signal?: AbortSignal,
): Promise<TestRun> {
  const { job, input } = runner.job([testFile], coverage);
  const nonce = newNonce();
  const files = [...(job.files ?? [])];
  for (const one of changed) files.push({ inside: `snapshot/${one.file}`, content: await textToRun(one, runner) });
  for (const { file, text } of changedTests) files.push({ inside: `work/${file}`, content: text });
  const shownTests = snapshot.shownFixed(changedTests.map(({ file }) => file));
  const allLimits = { ...suiteLimits, ...runner.limits, ...limits };
  const run = await sandbox.run(
    {
      ...job,
      shown: [...(job.shown ?? []), ...shownTests],
      files,
      copied: snapshot.free,
      input: JSON.stringify({ nonce, ...input }),
      limits: allLimits,
    },
    signal,
  );
  const folder = runner.folderOf?.(testFile) ?? '';
  const calls = coverageOf(run, nonce).map((entry) => ({ ...entry, file: path.posix.join(folder, entry.file) }));
  return { verdict: verdictOf(run, nonce, expected, allLimits), coverage: calls };
}

/** The text in the form of the snapshot's files. */
async function textToRun({ file, text }: ChangedFile, runner: TestRunner): Promise<string> {
  return runner.stripTypes && /\.[cm]?ts$/.test(file) ? stripTypes(text) : text;
}

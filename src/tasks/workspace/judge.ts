import { availableParallelism } from 'node:os';
import { UserError } from '../../platform/errors.ts';
import { limitConcurrency } from '../../platform/limit-concurrency.ts';
import { openSandbox } from '../../sandbox/open-sandbox.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { bodyEnd } from '../../syntax/functions.ts';
import { isWellFormed } from '../../syntax/trees.ts';
import { runTests } from '../../workspace/run-tests.ts';
import { findRunner } from '../../workspace/runners/find-runner.ts';
import type { TestRunner } from '../../workspace/runners/runner.ts';
import { openSnapshot, type Snapshot } from '../../workspace/snapshot.ts';
import { noCode, passRate, type TestResult, type Verdict } from '../../workspace/verdict.ts';
import { VerdictCache, verdictKey } from '../../workspace/verdict-cache.ts';
import type { ScoringOptions } from '../task.ts';
import { forgedVerdict } from './forged-results.ts';
import type { WorkspaceRow } from './row.ts';

/** A function of a workspace with another body, or with another text for a part of it. */
export interface JudgedBody {
  readonly row: WorkspaceRow;
  /** Null if the completion has no code. */
  readonly body: string | null;
}

const cache = new VerdictCache();

export interface BodyOptions extends ScoringOptions {
  /** Whether the bodies are not written by a model, so that none of them forges its result. Default: false. */
  readonly areTrusted?: boolean;
}

/**
 * Runs the tests of each function with another body in the sandbox; the verdicts are in the items' order. A file that does
 * not parse is not run. A part of a body on which no test depends always counts as failed. So does a body
 * that passes tests by something other than its results, as far as `forgedVerdict` finds it.
 */
export async function judgeBodies(
  items: readonly JudgedBody[],
  { signal, onProgress, areTrusted = false }: BodyOptions = {},
): Promise<Verdict[]> {
  const sandbox = await openSandbox();
  return limitConcurrency(
    items,
    availableParallelism(),
    async ({ row, body }) => {
      if (body === null) return noCode;
      const { snapshot, runner } = await openTestSetup(row);
      const judge = async (text: string): Promise<Verdict> => {
        if ((await isWellFormed(row.language, text)) === false) return doesNotParse;
        const key = verdictKey('workspace', row.snapshot, runner.version, row.file, text, row.guards);
        return cache.get(key, () => runCoveringTests({ sandbox, snapshot, runner, row, text, signal }));
      };
      const text = await withBody(row, body);
      const verdict = await judge(text);
      const without = row.part !== undefined && passRate(verdict) === 1 ? await judge(withoutPart(row)) : null;
      if (without !== null && passRate(without) === 1) return notTested;
      if (areTrusted) return verdict;
      return (await forgedVerdict({ sandbox, snapshot, runner, signal }, row, text, verdict)) ?? verdict;
    },
    onProgress,
  );
}

const doesNotParse: Verdict = { outcome: 'failed', reason: 'the file does not parse', late: false, seconds: 0 };

const notTested: Verdict = {
  outcome: 'failed',
  reason: 'no test depends on this part of the function',
  late: false,
  seconds: 0,
};

/** The file without a part: an expression becomes the null value, and lines are removed. */
function withoutPart({ language, prefix, suffix, part }: WorkspaceRow): string {
  const nothing = language === 'python' ? 'None' : 'null';
  return `${prefix}${part === 'expression' ? nothing : ''}${suffix}`;
}

/**
 * The file with another body for the function. The body ends where its function ends: a model that does not see the text
 * after the body may write on, and what it adds is dropped.
 */
export async function withBody({ language, prefix, suffix, part }: WorkspaceRow, body: string): Promise<string> {
  const text = `${prefix}${body}${suffix}`;
  if (part !== undefined) return text;
  const end = await bodyEnd(language, text, prefix.length);
  return end !== null && end < prefix.length + body.length ? `${text.slice(0, end)}${suffix}` : text;
}

interface CoveringTestsRun {
  readonly sandbox: Sandbox;
  readonly snapshot: Snapshot;
  readonly runner: TestRunner;
  readonly row: WorkspaceRow;
  readonly text: string;
  readonly signal: AbortSignal | undefined;
}

/** One verdict for all test files; a file without a report ends the run, and its verdict is the result. */
async function runCoveringTests({ sandbox, snapshot, runner, row, text, signal }: CoveringTestsRun): Promise<Verdict> {
  const results: TestResult[] = [];
  let seconds = 0;
  for (const { testFile, tests, expected } of row.guards) {
    const request = { testFile, changed: [{ file: row.file, text }], expected };
    const { verdict } = await runTests(sandbox, snapshot, runner, request, signal);
    seconds += verdict.seconds;
    if (verdict.outcome !== 'scored') return { ...verdict, seconds };
    results.push(...verdict.tests.filter(({ id }) => tests.includes(id)));
  }
  return { outcome: 'scored', tests: results, seconds };
}

const testSetups = new Map<string, Promise<{ snapshot: Snapshot; runner: TestRunner }>>();

/** The snapshot of a row's workspace and its test runner; looked up once per snapshot. */
function openTestSetup({ workspace, snapshot: digest, command }: WorkspaceRow) {
  const key = `${digest} ${workspace} ${command}`;
  let found = testSetups.get(key);
  if (!found) {
    found = (async () => {
      const snapshot = await openSnapshot(digest);
      if (!snapshot)
        throw new UserError(
          `The snapshot of ${workspace} in which these functions were found is gone; run \`unmask discover --workspace ${workspace}\` again.`,
        );
      return { snapshot, runner: await findRunner(workspace, snapshot.files, command) };
    })();
    testSetups.set(key, found);
    found.catch(() => testSetups.delete(key));
  }
  return found;
}

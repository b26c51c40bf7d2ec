import { availableParallelism } from 'node:os';
import { UserError } from '../../platform/errors.ts';
import { limitConcurrency } from '../../platform/limit-concurrency.ts';
import { openSandbox } from '../../sandbox/open-sandbox.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { bodyEnd } from '../../syntax/functions.ts';
import { runTests } from '../../workspace/run-tests.ts';
import { findRunner } from '../../workspace/runners/find-runner.ts';
import type { TestRunner } from '../../workspace/runners/runner.ts';
import { openSnapshot, type Snapshot } from '../../workspace/snapshot.ts';
import type { TestResult, Verdict } from '../../workspace/verdict.ts';
import { VerdictCache, verdictKey } from '../../workspace/verdict-cache.ts';
import type { WorkspaceRow } from './row.ts';

/** A body for a function of a workspace; null: the completion holds none. */
export interface JudgedBody {
  readonly row: WorkspaceRow;
  readonly body: string | null;
}

const cache = new VerdictCache();

/** Runs the tests that guard each function with another body, in the sandbox; verdicts stand in the items' order. */
export async function judgeBodies(items: readonly JudgedBody[], signal?: AbortSignal): Promise<Verdict[]> {
  const sandbox = await openSandbox();
  return limitConcurrency(items, availableParallelism(), async ({ row, body }) => {
    if (body === null) return { outcome: 'failed', reason: 'there is no code', late: false, seconds: 0 };
    const { snapshot, runner } = await surroundings(row);
    const text = await withBody(row, body);
    const key = verdictKey('workspace', row.snapshot, runner.version, row.file, text, row.guards);
    return cache.get(key, () => runGuards({ sandbox, snapshot, runner, row, text, signal }));
  });
}

/**
 * The file with a body in it. A body ends where its function does: what a model writes behind that, as who cannot see what
 * follows must, is no part of it.
 */
export async function withBody({ language, prefix, suffix }: WorkspaceRow, body: string): Promise<string> {
  const text = `${prefix}${body}${suffix}`;
  const end = await bodyEnd(language, text, prefix.length);
  return end !== null && end < prefix.length + body.length ? `${text.slice(0, end)}${suffix}` : text;
}

interface GuardRun {
  readonly sandbox: Sandbox;
  readonly snapshot: Snapshot;
  readonly runner: TestRunner;
  readonly row: WorkspaceRow;
  readonly text: string;
  readonly signal: AbortSignal | undefined;
}

/** One verdict of all files of tests: a file that is not reported fails the candidate, and ends the run. */
async function runGuards({ sandbox, snapshot, runner, row, text, signal }: GuardRun): Promise<Verdict> {
  const results: TestResult[] = [];
  let seconds = 0;
  for (const { testFile, tests, expected } of row.guards) {
    const request = { testFile, changed: { file: row.file, text }, expected };
    const { verdict } = await runTests(sandbox, snapshot, runner, request, signal);
    seconds += verdict.seconds;
    if (verdict.outcome !== 'scored') return { ...verdict, seconds };
    results.push(...verdict.tests.filter(({ id }) => tests.includes(id)));
  }
  return { outcome: 'scored', tests: results, seconds };
}

const known = new Map<string, Promise<{ snapshot: Snapshot; runner: TestRunner }>>();

/** The snapshot of a row and what runs its tests, found once. */
function surroundings({ workspace, snapshot: digest, command }: WorkspaceRow) {
  const key = `${digest} ${workspace} ${command}`;
  let found = known.get(key);
  if (!found) {
    found = (async () => {
      const snapshot = await openSnapshot(digest);
      if (!snapshot)
        throw new UserError(
          `The snapshot of ${workspace} that these functions were found in is gone; find them anew with \`unmask discover --workspace ${workspace}\`.`,
        );
      return { snapshot, runner: await findRunner(workspace, snapshot.files, command) };
    })();
    known.set(key, found);
    found.catch(() => known.delete(key));
  }
  return found;
}

import { availableParallelism } from 'node:os';
import { UserError } from '../../platform/errors.ts';
import { limitConcurrency } from '../../platform/limit-concurrency.ts';
import type { DryRunDocument, DryRunFunction } from '../../protocol/discovery.ts';
import { openWorkspace } from '../../workspace/discover.ts';
import { passRate } from '../../workspace/verdict.ts';
import { judgeBodies } from './judge.ts';
import type { WorkspaceRow } from './row.ts';
import { testStrengths } from './test-strength.ts';

export interface DryRunHooks {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Scores the unchanged functions by the tests that cover them, in the sandbox and in the way completions are scored. If one
 * does not pass, its reward would penalise correct code. For those that pass, small changes of the function are tested as
 * well: tests that do not notice them cannot tell right from wrong. Throws a `UserError` if the workspace has changed since the
 * functions were found.
 */
export async function dryRun(
  rows: readonly WorkspaceRow[],
  { signal, onProgress }: DryRunHooks = {},
): Promise<DryRunDocument> {
  const begin = performance.now();
  const { workspace, command } = rows[0] as WorkspaceRow;
  const { snapshot } = await openWorkspace(workspace, command);
  if (rows.some((row) => row.workspace !== workspace || row.snapshot !== snapshot.digest))
    throw new UserError(
      `${workspace} has changed since its functions were found. Find them again with \`unmask discover --workspace ${workspace}\`.`,
    );
  let done = 0;
  const functions = await limitConcurrency(rows, availableParallelism(), async (row) => {
    signal?.throwIfAborted();
    const result = await asItStands(row, signal);
    onProgress?.(++done, rows.length);
    return result;
  });
  return {
    workspace,
    n: functions.length,
    passing: functions.filter(passes).length,
    functions,
    seconds: (performance.now() - begin) / 1000,
  };
}

/** Whether every covering test passes. */
export const passes = ({ outcome, tests }: DryRunFunction): boolean =>
  outcome === 'scored' && tests.every(({ passed }) => passed);

async function asItStands(row: WorkspaceRow, signal: AbortSignal | undefined): Promise<DryRunFunction> {
  const [verdict] = await judgeBodies([{ row, body: row.body }], { signal });
  const { file, function: name, line } = row;
  const { outcome, seconds } = verdict!;
  if (verdict!.outcome !== 'scored')
    return { file, function: name, line, outcome, reason: verdict!.reason, tests: [], seconds };
  const isWhole = passRate(verdict!) === 1;
  const reason = isWhole ? null : 'a test that covers it fails on the current code';
  const [strength] = isWhole ? await testStrengths([row], { signal }) : [];
  return {
    file,
    function: name,
    line,
    outcome,
    reason,
    tests: verdict!.tests,
    ...(strength ? { strength } : {}),
    seconds,
  };
}

import { availableParallelism } from 'node:os';
import { UserError } from '../../platform/errors.ts';
import { limitConcurrency } from '../../platform/limit-concurrency.ts';
import type { DryRunDocument, DryRunFunction } from '../../protocol/discovery.ts';
import { openWorkspace } from '../../workspace/discover.ts';
import { passRate } from '../../workspace/verdict.ts';
import { judgeBodies } from './judge.ts';
import type { WorkspaceRow } from './row.ts';

export interface DryRunHooks {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Scores the functions as they stand by the tests that guard them, in the sandbox, the way a completion is scored: where
 * one does not pass, its reward would punish what is right. Throws a `UserError` where the workspace is not any more what
 * the functions were found in.
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
      `${workspace} has changed since its functions were found; find them anew with \`unmask discover --workspace ${workspace}\`.`,
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

/** Whether every guarding test passes. */
export const passes = ({ outcome, tests }: DryRunFunction): boolean =>
  outcome === 'scored' && tests.every(({ passed }) => passed);

async function asItStands(row: WorkspaceRow, signal: AbortSignal | undefined): Promise<DryRunFunction> {
  const [verdict] = await judgeBodies([{ row, body: row.body }], { signal });
  const { file, function: name, line } = row;
  const { outcome, seconds } = verdict!;
  if (verdict!.outcome !== 'scored')
    return { file, function: name, line, outcome, reason: verdict!.reason, tests: [], seconds };
  const isWhole = passRate(verdict!) === 1;
  const reason = isWhole ? null : 'a guarding test does not pass as the code stands';
  return { file, function: name, line, outcome, reason, tests: verdict!.tests, seconds };
}

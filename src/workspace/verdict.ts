/** The result of one test of a candidate. */
export interface TestResult {
  readonly id: string;
  readonly passed: boolean;
  /** The message of the failed assertion; absent if it passed. */
  readonly message?: string;
}

/**
 * The result of a test run for a candidate. The three outcomes are kept strictly apart:
 * - `scored`: the report is complete, and each test passed or failed.
 * - `failed`: the candidate prevented a complete report (it hung, crashed, exited or exceeded a limit). Its reward is
 *   0.
 * - `broken`: the tests could not be started, which says nothing about the candidate.
 */
export type Verdict =
  | {
      readonly outcome: 'scored';
      readonly tests: readonly TestResult[];
      readonly seconds: number;
      /** Set for a problem of the task `code` if its tests ran in the process of the candidate. */
      readonly isolation?: 'shared-process';
    }
  | {
      readonly outcome: 'failed';
      readonly reason: string;
      /** Whether a time limit decided it. On a less busy machine the result may differ. */
      readonly late: boolean;
      /** Set if a process was killed and no limit explains it. The machine may have done that, so it is repeated once. */
      readonly killed?: true;
      /** Set if the tests passed, but something other than the function's results decided them. */
      readonly forged?: true;
      readonly seconds: number;
    }
  | { readonly outcome: 'broken'; readonly reason: string; readonly seconds: number };

/** The verdict on a completion without code. */
export const noCode: Verdict = { outcome: 'failed', reason: 'the completion has no code', late: false, seconds: 0 };

/** Whether a run of tests is worth repeating once, because something other than the candidate may have decided. */
export const isWorthRepeating = (verdict: Verdict): boolean =>
  verdict.outcome === 'broken' || (verdict.outcome === 'failed' && verdict.killed === true);

/** Share of the tests that passed; 0 for a failed candidate, null where the infrastructure is broken. */
export function passRate(verdict: Verdict): number | null {
  if (verdict.outcome === 'broken') return null;
  if (verdict.outcome === 'failed' || verdict.tests.length === 0) return 0;
  return verdict.tests.filter(({ passed }) => passed).length / verdict.tests.length;
}

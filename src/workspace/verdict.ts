/** How one test of a candidate went. */
export interface TestResult {
  readonly id: string;
  readonly passed: boolean;
  /** What its assertion said; absent where it passed. */
  readonly message?: string;
}

/**
 * What a run of tests says of a candidate. The three are never mixed up:
 * - `scored`: the report is whole, and each test passed or failed;
 * - `failed`: the candidate kept the tests from being reported (it hung, crashed, left, broke a limit): worth nothing;
 * - `broken`: the tests could not be started, which says nothing about the candidate.
 */
export type Verdict =
  | { readonly outcome: 'scored'; readonly tests: readonly TestResult[]; readonly seconds: number }
  | {
      readonly outcome: 'failed';
      readonly reason: string;
      /** Whether a clock decided it: on a machine with less to do it may end otherwise. */
      readonly late: boolean;
      readonly seconds: number;
    }
  | { readonly outcome: 'broken'; readonly reason: string; readonly seconds: number };

/** The verdict on a completion without code. */
export const noCode: Verdict = { outcome: 'failed', reason: 'there is no code', late: false, seconds: 0 };

/** Share of the tests that passed; 0 for a failed candidate, null where the infrastructure is broken. */
export function shareOf(verdict: Verdict): number | null {
  if (verdict.outcome === 'broken') return null;
  if (verdict.outcome === 'failed' || verdict.tests.length === 0) return 0;
  return verdict.tests.filter(({ passed }) => passed).length / verdict.tests.length;
}

import type { RowPart } from './row-split.ts';

/** What `unmask discover` prints, and the `result.json` of its run holds. */
export interface DiscoveryDocument {
  readonly run: string;
  readonly dir: string;
  readonly workspace: string;
  readonly runner: string;
  /** Tests that pass as the workspace stands, and functions that were looked at. */
  readonly tests: number;
  readonly functions: number;
  /** In the order of the rows in `data`. */
  readonly tasks: readonly FoundTask[];
  readonly leftOut: readonly LeftOut[];
  /** Runs of test files that were made. */
  readonly runs: number;
  readonly seconds: number;
  /** Files of rows: all tasks, and those of them that a run on all of them holds out. */
  readonly data: string;
  readonly heldOut: string;
}

/** A function that tests guard. */
export interface FoundTask {
  readonly file: string;
  readonly function: string;
  /** Line of its beginning, from 1. */
  readonly line: number;
  /** Whether a run on all tasks holds it out, for validation or for testing. */
  readonly heldOut: boolean;
  /** What a run on all tasks uses it for. Absent, as `keys` is, in documents of versions that split by position. */
  readonly part?: RowPart;
  /** Digests of its content keys, by which a run on some of the tasks splits them (`splitByContent`). */
  readonly keys?: readonly string[];
  /** Guarding tests by the file that they stand in. */
  readonly tests: Readonly<Record<string, readonly string[]>>;
}

/** What was passed over, and why. */
export interface LeftOut {
  readonly file: string;
  /** Name of a function, or of a test that fails as the workspace stands; null for the file as a whole. */
  readonly name: string | null;
  readonly reason: string;
}

/** Whether a run that splits by position, as those without a recorded split do, holds out the row at `index`, from 0. */
export const isHeldOut = (index: number): boolean => index % 8 === 0;

/** What `unmask dry-run` prints: the code as it stands, by the tests that guard it. */
export interface DryRunDocument {
  readonly workspace: string;
  /** Functions, and those of them whose guarding tests all pass. */
  readonly n: number;
  readonly passing: number;
  readonly functions: readonly DryRunFunction[];
  readonly seconds: number;
}

export interface DryRunFunction {
  readonly file: string;
  readonly function: string;
  readonly line: number;
  readonly outcome: 'scored' | 'failed' | 'broken';
  /** Why there is no score; null where there is one. */
  readonly reason: string | null;
  /** Guarding tests, in the order of the report; none where there is no score. */
  readonly tests: readonly { readonly id: string; readonly passed: boolean; readonly message?: string }[];
  readonly seconds: number;
}

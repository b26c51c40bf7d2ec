import type { RowPart } from './row-split.ts';

/** The document of `unmask discover`, and the `result.json` of its run. */
export interface DiscoveryDocument {
  readonly run: string;
  readonly dir: string;
  readonly workspace: string;
  readonly runner: string;
  /** Number of tests that pass in the current workspace, and of functions that were examined. */
  readonly tests: number;
  readonly functions: number;
  /** In the order of the rows in `data`. */
  readonly tasks: readonly FoundTask[];
  readonly leftOut: readonly LeftOut[];
  /** Number of test file runs. */
  readonly runs: number;
  readonly seconds: number;
  /** Files with rows: all tasks, and those of them that a run on all of them holds out. */
  readonly data: string;
  readonly heldOut: string;
}

/** A function that is covered by tests. */
export interface FoundTask {
  readonly file: string;
  readonly function: string;
  /** Its first line, from 1. */
  readonly line: number;
  /** Whether a run on all tasks holds it out, for validation or for testing. */
  readonly heldOut: boolean;
  /** What a run on all tasks uses it for. Absent, as `keys` is, in documents of versions that split by position. */
  readonly part?: RowPart;
  /** Digests of its content keys, by which a run on some of the tasks splits them (`splitByContent`). */
  readonly keys?: readonly string[];
  /** The tests that cover it, by test file. */
  readonly tests: Readonly<Record<string, readonly string[]>>;
  /** Whether a completion that forges its test results would be noticed; absent in documents of older versions. */
  readonly checkable?: boolean;
}

/** A function, test or file that was excluded, and why. */
export interface LeftOut {
  readonly file: string;
  /** Name of a function, or of a test that fails in the current workspace; null for the whole file. */
  readonly name: string | null;
  readonly reason: string;
}

/** Tuning on a file holds out every eighth problem; `index` is the index of the problem, from 0. */
export const isHeldOut = (index: number): boolean => index % 8 === 0;

/** The document of `unmask dry-run`: the current code, scored by the tests that cover it. */
export interface DryRunDocument {
  readonly workspace: string;
  /** Number of functions, and of those whose tests all pass. */
  readonly n: number;
  readonly passing: number;
  readonly functions: readonly DryRunFunction[];
  readonly seconds: number;
}

/** How many small changes of a function its tests notice. */
export interface TestStrength {
  /** Number of mutants that were tested. 0: the function has nothing to mutate, which says nothing about its tests. */
  readonly tried: number;
  readonly caught: number;
  /** The mutants with which all tests pass, each with its line in the file. */
  readonly survivors: readonly { readonly line: number; readonly description: string }[];
}

export interface DryRunFunction {
  readonly file: string;
  readonly function: string;
  readonly line: number;
  readonly outcome: 'scored' | 'failed' | 'broken';
  /** Why there is no score; null if there is one. */
  readonly reason: string | null;
  /** The tests that cover it, in the order of the report; empty if there is no score. */
  readonly tests: readonly { readonly id: string; readonly passed: boolean; readonly message?: string }[];
  /** How many small changes of the function its tests notice; absent if the tests do not pass, or in older documents. */
  readonly strength?: TestStrength;
  readonly seconds: number;
}

import type { LeftOut } from '../protocol/discovery.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { SourceFunction } from '../syntax/functions.ts';
import type { TestRunner } from './runners/runner.ts';
import type { Snapshot } from './snapshot.ts';

/** A function that is covered by tests: a problem of the task `workspace`. */
export interface TestedFunction {
  readonly workspace: string;
  /** Digest of the snapshot on which its tests run. */
  readonly snapshot: string;
  /** The user's test command; null: the detected runner. */
  readonly command: string | null;
  readonly file: string;
  readonly function: string;
  readonly line: number;
  /** VS Code's language id. */
  readonly language: string;
  /** The file's text before the body, the body, and the text after it. */
  readonly prefix: string;
  readonly body: string;
  readonly suffix: string;
  readonly guards: readonly CoveringTests[];
}

/** A test file with tests that fail without the function's body. */
export interface CoveringTests {
  readonly testFile: string;
  /** The tests that fail. */
  readonly tests: readonly string[];
  /** All tests of the file that a complete report lists. */
  readonly expected: readonly string[];
}

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
  /** Number of test runs; cached verdicts are not counted. */
  readonly runs: number;
}

export interface DiscoveryHooks {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number, what: string) => void;
  /** Awaited before every function is tested; throws to stop. */
  readonly betweenFunctions?: () => Promise<void>;
  /** The user's test command, which reports in TAP. Null or absent: the runner is detected. */
  readonly command?: string | null;
}

/** A discovery under way. */
export interface Work {
  readonly root: string;
  readonly command: string | null;
  readonly runner: TestRunner;
  readonly snapshot: Snapshot;
  readonly sandbox: Sandbox;
  readonly hooks: DiscoveryHooks;
  readonly leftOut: LeftOut[];
  readonly runs: { count: number };
}

/** A function and the text of its file. */
export interface FoundFunction {
  readonly file: string;
  readonly language: string;
  readonly text: string;
  readonly found: SourceFunction;
}

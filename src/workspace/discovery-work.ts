import type { LeftOut } from '../protocol/discovery.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { SourceFunction } from '../syntax/functions.ts';
import type { TestRunner } from './runners/runner.ts';
import type { Snapshot } from './snapshot.ts';

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

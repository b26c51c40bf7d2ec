import type { SandboxFinding } from '../protocol/devices.ts';
import type { SandboxLimits } from './limits.ts';

/** A file or folder of this machine that is visible inside, read-only. */
export interface ShownPath {
  readonly host: string;
  /** Relative to the sandbox's root. Null: at its own absolute path, for programs that depend on their location. */
  readonly inside: string | null;
}

/** A file whose content the job supplies. It is read-only inside. */
export interface SuppliedFile {
  /** Relative to the sandbox's root. `snapshot/…` replaces a file of the copied folder. */
  readonly inside: string;
  readonly content: string;
}

/**
 * An untrusted command, as a plain record. Its working folder is `work`, which contains only the copied, shown and
 * supplied files. Paths in the arguments are relative to it (`../kit/harness.mjs`).
 */
export interface SandboxJob {
  /** The absolute path of a program on this machine, and its arguments. */
  readonly command: readonly string[];
  readonly shown?: readonly ShownPath[];
  readonly files?: readonly SuppliedFile[];
  /**
   * A folder whose content is copied into `work`, where the command may change it. The copy is deleted with the run.
   */
  readonly copied?: string;
  /**
   * Whether the command is alone: there is no `/proc`, no socket can be opened, not even on the loopback, and no other process can
   * be started. Default: false, because tests of a workspace may need all of them.
   */
  readonly isSolitary?: boolean;
  /** The command's environment, in addition to PATH, HOME and TMPDIR. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The content of its stdin. */
  readonly input?: string;
  readonly limits?: Partial<SandboxLimits>;
}

/** The limit for which the supervisor ended the process tree. */
export type BrokenLimit = 'time' | 'memory' | 'processes' | 'output';

/** How a job ended. Text is limited by the limit on output. Invalid UTF-8 is replaced by U+FFFD. */
export interface SandboxRun {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly broken: BrokenLimit | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The output on descriptor 3. */
  readonly report: string;
  readonly seconds: number;
}

/** The first descriptor by which a job's command can be connected with another job. */
export const firstConnection = 7;

/** Connections of a job's command in addition to its input and output. */
export interface Connections {
  /**
   * Gives the command a socket as descriptor `firstConnection`, and calls this with a descriptor of this process for the other end
   * as soon as the command has been started. `release` closes it in this process, after it was passed on.
   */
  readonly onSocket?: (descriptor: number, release: () => void) => void;
  /** Descriptors of this process that the command gets from `firstConnection` on. */
  readonly passed?: readonly number[];
  /** Called when it has them, so that they can be closed in this process. */
  readonly onPassed?: () => void;
  /** Called with each part of the report as it arrives. */
  readonly onReport?: (part: string) => void;
}

/** Runs untrusted code with limits. */
export interface Sandbox {
  readonly finding: SandboxFinding;
  /** Runs a job until it ends, or until a limit or `signal` ends it. Nothing of the run remains afterwards. */
  run(job: SandboxJob, signal?: AbortSignal, connections?: Connections): Promise<SandboxRun>;
}

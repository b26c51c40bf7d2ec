import type { SandboxFinding } from '../protocol/devices.ts';
import type { SandboxLimits } from './limits.ts';

/** A file or folder of this machine that is seen inside, read-only. */
export interface ShownPath {
  readonly host: string;
  /** Relative to the sandbox's root; null: at its own absolute path, for programs that know where they lie. */
  readonly inside: string | null;
}

/** A file whose content the job brings; it is read-only inside. */
export interface GivenFile {
  /** Relative to the sandbox's root; `snapshot/…` stands over a file of the folder that is copied, before it is. */
  readonly inside: string;
  readonly content: string;
}

/**
 * A command that is not trusted, as a plain record. Its working folder is `work`, which is empty but for what is copied,
 * shown or given there; paths in arguments are relative to it (`../kit/harness.mjs`).
 */
export interface SandboxJob {
  /** A program of this machine by its absolute path, and its arguments. */
  readonly command: readonly string[];
  readonly shown?: readonly ShownPath[];
  readonly files?: readonly GivenFile[];
  /** A folder whose content is copied into `work`, where the command may change it; the copy goes away with the run. */
  readonly copied?: string;
  /** All that the command sees of an environment, beside PATH, HOME and TMPDIR. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What stands on its stdin. */
  readonly input?: string;
  readonly limits?: Partial<SandboxLimits>;
}

/** A limit that the supervisor found broken, and for which it ended the whole process tree. */
export type BrokenLimit = 'time' | 'memory' | 'processes' | 'output';

/** How a job ended. Text is what came within the limit on output; bytes that are no UTF-8 stand as U+FFFD. */
export interface SandboxRun {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly broken: BrokenLimit | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What was written to descriptor 3. */
  readonly report: string;
  readonly seconds: number;
}

/** A way to run code that nobody read, with limits. */
export interface Sandbox {
  readonly finding: SandboxFinding;
  /** Runs a job to its end, or until a limit or `signal` ends it; then nothing of it is left. */
  run(job: SandboxJob, signal?: AbortSignal): Promise<SandboxRun>;
}

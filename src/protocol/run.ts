import type { RowSplit } from './row-split.ts';

/** Any JSON value, such as a setting. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** What kind of job a run directory belongs to. */
export type RunKind = 'tune' | 'pretrain' | 'fine-tune' | 'evaluate' | 'compare' | 'discover';

/** `run.json`: everything that decides what a job does. A resumed job reads it back; only its number of steps can be changed. */
export interface RunConfiguration {
  /** Version of this record's shape. */
  readonly schema: 1;
  readonly kind: RunKind;
  /** Name for display; the name of its folder unless the user chose one. */
  readonly name: string;
  readonly task: string | null;
  /** The model that the run started from: a bundled name, an id, or a folder. */
  readonly model: string | null;
  /** The policy-gradient objective, for tuning. */
  readonly objective: string | null;
  readonly seed: number;
  /** Number of steps; null if only a time limit ends the run. */
  readonly steps: number | null;
  /** Changes of the number of steps of a stopped run: after which step, and the numbers before and after the change. */
  readonly stepsChanged?: readonly { readonly at: number; readonly from: number | null; readonly to: number }[];
  /** Every hyper-parameter by name, defaults included. */
  readonly settings: Readonly<Record<string, Json>>;
  readonly device: { readonly engine: string; readonly device: string };
  /** How the rows of the data file were split; absent for generated problems, and for runs that split by position. */
  readonly split?: RowSplit;
  /** Bytes of the device's memory that it takes at its peak, about; absent: not estimated. */
  readonly memory?: number;
  /** Versions by name: unmask, node, and the engine's packages. */
  readonly versions: Readonly<Record<string, string>>;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

export type RunState = 'starting' | 'running' | 'paused' | 'stopping' | 'finished' | 'failed' | 'interrupted';

/** `status.json`: the progress of a job; its heartbeat is updated about once per second while possible. */
export interface RunStatus {
  readonly state: RunState;
  /** Steps done. */
  readonly step: number;
  /** Number of steps; null if only a time limit ends the run. */
  readonly steps: number | null;
  /** Estimated seconds left; null while unknown. */
  readonly eta: number | null;
  /** ISO 8601, UTC. */
  readonly heartbeat: string;
  /** Why the run failed, one sentence. */
  readonly error?: string;
  /** `id` of the control request that was processed last. */
  readonly control?: string;
}

export type RunRequest = 'run' | 'pause' | 'stop';

/** `control.json`: a request to a job, which reads it between two steps. */
export interface RunControl {
  readonly want: RunRequest;
  /** Identifies the request, so that its sender sees in `status.json` when it was processed. */
  readonly id: string;
}

/** `lock.json`: the process that writes a run directory. */
export interface RunLock {
  readonly pid: number;
  readonly host: string;
  /** When the lock was taken, ISO 8601, UTC. */
  readonly startedAt: string;
  /** Distinguishes the process from a later one with the same id; absent if the platform does not support it. */
  readonly processStart?: string;
  readonly token: string;
}

/** One line of `unmask runs list`. */
export interface RunSummary {
  /** Name of the run's folder. */
  readonly run: string;
  /** Name for display. */
  readonly name: string;
  readonly dir: string;
  readonly state: RunState;
  readonly step: number;
  readonly steps: number | null;
  readonly eta: number | null;
  readonly kind: RunKind | null;
  readonly task: string | null;
  /** The model that it started from, as the user specified it. */
  readonly model: string | null;
  readonly objective: string | null;
  /** Its device, and `RunConfiguration.memory`; null if unknown. */
  readonly device: RunConfiguration['device'] | null;
  readonly memory: number | null;
  /** ISO 8601, UTC; null if `run.json` cannot be read. */
  readonly createdAt: string | null;
  /** Why the run failed, or what is wrong with its files. */
  readonly error?: string;
}

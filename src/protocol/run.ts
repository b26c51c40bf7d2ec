import type { RowSplit } from './row-split.ts';

/** Any JSON value: what stands in a settings record. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** What kind of job a run directory belongs to. */
export type RunKind = 'tune' | 'pretrain' | 'fine-tune' | 'evaluate' | 'compare' | 'discover';

/** `run.json`: everything that decides what a job does. A resumed job reads it back; only its number of steps can be changed. */
export interface RunConfiguration {
  /** Version of this record's shape. */
  readonly schema: 1;
  readonly kind: RunKind;
  /** What the run is called for its user; its folder's name where nobody chose one. */
  readonly name: string;
  readonly task: string | null;
  /** The model that the run started from: a bundled name, an id, or a folder. */
  readonly model: string | null;
  /** The policy-gradient objective, for tuning. */
  readonly objective: string | null;
  readonly seed: number;
  /** Steps that the job is to make; null where a time limit alone ends it. */
  readonly steps: number | null;
  /** Where somebody gave a stopped run another number of steps: after which step, the number before and behind. */
  readonly stepsChanged?: readonly { readonly at: number; readonly from: number | null; readonly to: number }[];
  /** Every hyper-parameter by name, defaults included. */
  readonly settings: Readonly<Record<string, Json>>;
  readonly device: { readonly engine: string; readonly device: string };
  /** How the rows of the data file were split; absent for generated problems, and for runs that split by position. */
  readonly split?: RowSplit;
  /** Bytes of the device's memory that it takes at its peak, about; absent: nobody reckoned. */
  readonly memory?: number;
  /** Versions by name: unmask, node, and the engine's packages. */
  readonly versions: Readonly<Record<string, string>>;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

export type RunState = 'starting' | 'running' | 'paused' | 'stopping' | 'finished' | 'failed' | 'interrupted';

/** `status.json`: where a job is; its heartbeat is renewed about once a second while it can. */
export interface RunStatus {
  readonly state: RunState;
  /** Steps done. */
  readonly step: number;
  /** Steps to do; null where a time limit alone ends the run. */
  readonly steps: number | null;
  /** Seconds left by estimate; null while unknown. */
  readonly eta: number | null;
  /** ISO 8601, UTC. */
  readonly heartbeat: string;
  /** Why the run failed, one sentence. */
  readonly error?: string;
  /** `id` of the control request that was obeyed last. */
  readonly control?: string;
}

export type RunWish = 'run' | 'pause' | 'stop';

/** `control.json`: what somebody wants of a job; the job reads it between two steps. */
export interface RunControl {
  readonly want: RunWish;
  /** Names the request, so that its sender sees in `status.json` when it was obeyed. */
  readonly id: string;
}

/** `lock.json`: the process that writes a run directory. */
export interface RunLock {
  readonly pid: number;
  readonly host: string;
  /** When the lock was taken, ISO 8601, UTC. */
  readonly startedAt: string;
  /** Tells the process from a later one with the same number; absent where the platform cannot. */
  readonly processStart?: string;
  readonly token: string;
}

/** One line of `unmask runs list`. */
export interface RunSummary {
  /** Name of the run's folder. */
  readonly run: string;
  /** What the run is called for its user. */
  readonly name: string;
  readonly dir: string;
  readonly state: RunState;
  readonly step: number;
  readonly steps: number | null;
  readonly eta: number | null;
  readonly kind: RunKind | null;
  readonly task: string | null;
  /** The model that it started from, as its user named it. */
  readonly model: string | null;
  readonly objective: string | null;
  /** What it computes on, and `RunConfiguration.memory`; null where that is unknown. */
  readonly device: RunConfiguration['device'] | null;
  readonly memory: number | null;
  /** ISO 8601, UTC; null where `run.json` cannot be read. */
  readonly createdAt: string | null;
  /** Why the run failed, or what is wrong with its files. */
  readonly error?: string;
}

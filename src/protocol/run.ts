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

/** How much of one kind of work is done: 12 of 32 rollouts. */
export interface ActivityCount {
  readonly name: string;
  readonly done: number;
  readonly total: number;
}

/** What a job is doing inside a step or an evaluation. */
export interface RunActivity {
  /** The whole in one line: "step 1: rollouts 12 of 32, rewards 7 of 12". */
  readonly text: string;
  readonly counts: readonly ActivityCount[];
  /** Estimated seconds until this step or evaluation is done; null while unknown. */
  readonly eta: number | null;
}

/** `status.json`: where a job is. The job's main thread writes it about once a second while it can. */
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
  /** What the job is doing now; absent between two steps. */
  readonly activity?: RunActivity;
  /** Set when a pause was requested and the job still has to finish its step. */
  readonly pending?: 'pause';
  /** Why the run failed or stopped, one sentence. */
  readonly error?: string;
  /** `id` of the control request that the job noticed last. */
  readonly control?: string;
}

/** `heartbeat.json`: written every two seconds by a thread that does not compute, so that it never waits for an engine. */
export interface RunHeartbeat {
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Milliseconds of the machine's clock that does not jump, since it started; absent in runs of older versions. */
  readonly monotonic?: number;
  readonly pid: number;
  /** Since when the job's main thread has been inside one computation, ISO 8601; null when it answers. */
  readonly busySince: string | null;
  /** Processor cores that the process used since the previous heartbeat: about 0 in a process that hangs. */
  readonly cores: number;
}

/** `status.json` as a reader gets it, together with `heartbeat.json`. */
export interface LiveStatus extends RunStatus {
  /** Since when the job has been inside one computation that cannot be interrupted, ISO 8601; absent: it is not. */
  readonly busySince?: string;
  /** Processor cores in use, by the last heartbeat; absent: the run has no heartbeat thread. */
  readonly cores?: number;
  /** The last heartbeat of a process that still exists but has stopped writing heartbeats, ISO 8601. */
  readonly silentSince?: string;
}

export type RunRequest = 'run' | 'pause' | 'stop';

/** `control.json`: a request to a job; the job reads it twice a second. */
export interface RunControl {
  readonly want: RunRequest;
  /** Identifies the request, so that its sender can find in `status.json` when it was processed. */
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

/** `labels.json`: what the user calls a run and notes about it. Anyone may replace it, at any time. */
export interface RunLabels {
  /** Version of this record's shape. */
  readonly schema: 1;
  /** Name for display; absent: the name in `run.json`. */
  readonly name?: string;
  readonly tags: readonly string[];
  /** Text of any number of lines; absent: none. */
  readonly notes?: string;
}

/** A worker that computes rollouts or rewards for runs. */
export interface RunWorker {
  readonly name: string;
  /** Engine and device. */
  readonly device: string;
  /** The kind of machine. Bit-identical results are promised within one kind. */
  readonly machine: string;
  /** Tokens generated per second of computing; null: none yet. */
  readonly tokens_per_second: number | null;
  readonly busy: boolean;
  readonly last_seen: string;
  /** Why it cannot help this run; absent: it can. */
  readonly refused?: string;
}

/** `workers.json`: the workers at the queue of a run, as its trainer saw them last. */
export interface RunWorkersRecord {
  /** Version of this record's shape. */
  readonly schema: 1;
  /** Address of the queue, without credentials. */
  readonly queue: string;
  readonly time: string;
  readonly workers: readonly RunWorker[];
}

/** One line of `unmask runs list`. */
export interface RunSummary {
  /** Name of the run's folder. */
  readonly run: string;
  /** Name for display: the one in `labels.json`, or that in `run.json`. */
  readonly name: string;
  /** See `RunLabels`; absent if there are none. */
  readonly tags?: readonly string[];
  readonly notes?: string;
  readonly dir: string;
  readonly state: RunState;
  readonly step: number;
  readonly steps: number | null;
  readonly eta: number | null;
  /** See `RunStatus` and `LiveStatus`. */
  readonly activity?: RunActivity;
  readonly pending?: 'pause';
  readonly busySince?: string;
  readonly cores?: number;
  readonly silentSince?: string;
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
  /** Why the run failed, or an error in its files. */
  readonly error?: string;
}

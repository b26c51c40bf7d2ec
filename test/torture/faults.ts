import type { Random } from '../../src/platform/random.ts';

/** Something that goes wrong while a job runs. `inject-fault.mjs` causes those with `at` inside the job's process. */
export type Fault =
  /** The process is killed at a file operation: before it, when half of it is done, or after it. */
  | { readonly kind: 'kill'; readonly at: number; readonly moment: 'before' | 'during' | 'after' }
  /** `failures` operations that need space fail, from an operation on. */
  | { readonly kind: 'disk-full'; readonly at: number; readonly failures: number }
  /** The next flush of a file after an operation takes long. */
  | { readonly kind: 'slow-sync'; readonly at: number; readonly failures: number; readonly milliseconds: number }
  /** The clock jumps, `at` milliseconds after the start. */
  | { readonly kind: 'clock'; readonly at: number; readonly milliseconds: number }
  /** The process is killed, or receives a signal that stops it, some time after it started. */
  | { readonly kind: 'signal'; readonly after: number; readonly signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGHUP' }
  /** `unmask runs stop` or `pause`; a paused run is killed or continued. */
  | { readonly kind: 'stop' | 'pause-kill' | 'pause-continue'; readonly after: number }
  /** The process may use this much more memory than it does at that moment. */
  | { readonly kind: 'memory'; readonly after: number; readonly bytes: number }
  /** The runs are in a file system with this many free bytes. */
  | { readonly kind: 'small-disk'; readonly free: number };

export type FaultKind = Fault['kind'];

/** How often each kind is drawn, in relation to the others. */
const weights: Readonly<Record<FaultKind, number>> = {
  kill: 8,
  signal: 4,
  'disk-full': 3,
  'small-disk': 2,
  memory: 1,
  stop: 1,
  'pause-kill': 1,
  'pause-continue': 1,
  'slow-sync': 1,
  clock: 1,
};

/** All kinds of faults. */
export const everyFault = Object.keys(weights) as FaultKind[];

/** The size of the job under attack, from a run without a fault, and of the waits. */
export interface FaultScale {
  readonly operations: number;
  /** Milliseconds that the run takes. */
  readonly duration: number;
  /** Bytes that the run directory has at its end. */
  readonly bytes: number;
  /** Milliseconds that a slow flush takes. */
  readonly slowSync: number;
}

/** Draws a fault of one of `kinds`, at a random moment. */
export function drawFault(random: Random, kinds: readonly FaultKind[], scale: FaultScale): Fault {
  const kind = random.pick(kinds.flatMap((each) => Array<FaultKind>(weights[each]).fill(each)));
  const at = 1 + random.integer(scale.operations);
  const after = random.integer(Math.ceil(scale.duration));
  switch (kind) {
    case 'kill':
      return { kind, at, moment: random.pick(['before', 'during', 'after'] as const) };
    case 'disk-full':
      return { kind, at, failures: random.pick([1, 3, 1_000_000]) };
    case 'slow-sync':
      return { kind, at, failures: 1, milliseconds: scale.slowSync };
    case 'clock':
      return {
        kind,
        at: after,
        milliseconds: random.pick([-1, 1]) * random.pick([60_000, 3_600_000, 86_400_000 * 365]),
      };
    case 'signal':
      return { kind, after, signal: random.pick(['SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const) };
    case 'memory':
      return { kind, after, bytes: random.integer(32) * 2 ** 20 };
    case 'small-disk':
      return { kind, free: random.integer(scale.bytes) };
    default:
      return { kind, after };
  }
}

/** Whether `inject-fault.mjs` causes the fault inside the process. */
export const isInjected = (fault: Fault | null): boolean => fault !== null && 'at' in fault;

import { type ChildProcess, spawn } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Interrupted } from '../platform/errors.ts';
import { mebibyte, type SandboxLimits } from './limits.ts';
import { hasEnded, treeCpuSeconds, treeUse } from './process-tree.ts';
import { type BrokenLimit, type Connections, firstConnection, type SandboxRun } from './sandbox.ts';

/** Milliseconds between two checks of the limits by a watchdog, and where the kernel enforces them. */
const pollInterval = { watched: 50, enforced: 250 };
/** The sandbox's own processes. */
const ownProcesses = 2;
/** Milliseconds after the end of a process in which its pipes must close. */
const gracePeriod = 1000;

export type LimitCheck = (pid: number) => Promise<BrokenLimit | null>;

export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly input: string;
  /** Open descriptors of this process that the program inherits, from number 5 on; fewer than `firstConnection - 5`. */
  readonly descriptors: readonly number[];
  readonly connections?: Connections;
  /** Finds the process after whose end all others are ended, in the program's output on descriptor 4. */
  readonly lastProcess?: (status: string) => number | null;
  readonly limits: SandboxLimits;
  /**
   * Returns the limit that a process (by its number) and its descendants exceed. Called while it runs and at its end.
   */
  readonly checkLimits: LimitCheck;
  /** Whether the kernel enforces the limits, so that the checks only find out why a run ended. Default: false. */
  readonly areEnforced?: boolean;
}

/**
 * Starts a program and enforces its limits: the whole tree is killed if it takes too long, grows too large or writes
 * too much. The program must end its descendants when it is killed, as bubblewrap does. Throws `Interrupted` if
 * `signal` aborted it, and the error of `spawn` if it cannot be started.
 */
export async function supervise(launch: Launch, signal?: AbortSignal): Promise<SandboxRun> {
  const interrupted = () => new Interrupted('The run of tests was stopped.');
  if (signal?.aborted) throw interrupted();
  const { limits } = launch;
  const begin = performance.now();
  const child = spawn(launch.program, launch.args, {
    ...(launch.cwd === undefined ? {} : { cwd: launch.cwd }),
    env: launch.environment,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe', ...inherited(launch)],
    // Ctrl+C in a terminal must reach only this process, which then ends the child.
    detached: true,
  });
  let broken: BrokenLimit | null = null;
  const stop = (limit: BrokenLimit) => {
    broken ??= limit;
    endGroup(child);
  };
  const interrupt = () => endGroup(child);
  // Every run of a batch listens to the same signal, so Node's warning about a leak of listeners does not apply.
  if (signal) setMaxListeners(0, signal);
  signal?.addEventListener('abort', interrupt, { once: true });
  const deadline = watchClock(child, limits, () => stop('time'));
  const interval = launch.areEnforced ? pollInterval.enforced : pollInterval.watched;
  const watch = watchChild(child, { look: launch.checkLimits, interval }, stop);
  const keep = limits.outputMiB * mebibyte;
  const [stdout, stderr, report, status] = [1, 2, 3, 4].map((descriptor) =>
    collect(child.stdio[descriptor] as Readable, keep, () => stop('output')),
  ) as [() => string, () => string, () => string, () => string];
  const { onSocket, onPassed, onReport } = launch.connections ?? {};
  onPassed?.();
  if (onReport) (child.stdio[3] as Readable).on('data', (part: Buffer) => onReport(part.toString('latin1')));
  if (onSocket && child.pid !== undefined) offerSocket((child.stdio as unknown as Stdio)[firstConnection], onSocket);
  // A program that closes its stdin without reading it is not an error.
  child.stdin!.on('error', () => undefined).end(launch.input);
  try {
    const { code, signal: by } = await waitForExit(child);
    const last = launch.lastProcess?.(status()) ?? null;
    if (last !== null) await waitUntilEnded(last);
    broken ??= await launch.checkLimits(child.pid as number);
    if (signal?.aborted) throw interrupted();
    const seconds = (performance.now() - begin) / 1000;
    return { code, signal: by, broken, stdout: stdout(), stderr: stderr(), report: report(), seconds };
  } finally {
    deadline.end();
    watch.end();
    signal?.removeEventListener('abort', interrupt);
  }
}

/** What the program inherits from number 5 on. */
function inherited({ descriptors, connections }: Launch): (number | 'pipe' | 'ignore')[] {
  if (!connections) return [...descriptors];
  const left = firstConnection - 5 - descriptors.length;
  const others = connections.onSocket ? ['pipe' as const] : (connections.passed ?? []);
  return [...descriptors, ...Array.from({ length: left }, () => 'ignore' as const), ...others];
}

type Stdio = readonly (Socket | null)[];

/** Passes on this process's end of a program's socket, from which nothing is read here. */
function offerSocket(socket: Socket | null | undefined, onSocket: NonNullable<Connections['onSocket']>): void {
  const { _handle: handle } = socket as unknown as { _handle: { fd: number; readStop(): void } };
  socket!.on('error', () => undefined);
  handle.readStop();
  onSocket(handle.fd, () => void socket!.destroy());
}

/** The longest run, as a multiple of the limit on wall time. */
const mostExtensions = 4;
/** A process that uses at least this share of a processor is computing; a process that uses less is waiting. */
const computingShare = 0.15;

/**
 * Whether a run may continue after its wall time: it is computing, and on a busy machine it has not used its CPU time yet. Programs that
 * sleep or wait are ended by the clock.
 *
 * @param elapsed seconds since the run began
 * @param cpu CPU seconds of all its processes; null if they are unknown
 */
export const mayGoOn = (elapsed: number, cpu: number | null, { seconds, cpuSeconds }: SandboxLimits): boolean =>
  cpu !== null && cpu >= computingShare * elapsed && cpu < cpuSeconds && elapsed < mostExtensions * seconds;

/** Calls `stop` when the wall time of a run is over, or later if `mayGoOn`. */
function watchClock(child: ChildProcess, limits: SandboxLimits, stop: () => void): { end(): void } {
  const begin = performance.now();
  let over = false;
  let timer: NodeJS.Timeout;
  const look = async () => {
    const cpu = child.pid === undefined ? null : await treeCpuSeconds(child.pid);
    if (over) return;
    if (mayGoOn((performance.now() - begin) / 1000, cpu, limits)) wait(limits.seconds / 4);
    else stop();
  };
  const wait = (seconds: number) => {
    timer = setTimeout(() => void look().catch(stop), seconds * 1000);
  };
  wait(limits.seconds);
  return {
    end() {
      over = true;
      clearTimeout(timer);
    },
  };
}

/**
 * Ends a program and the processes that it has just started: bubblewrap's first child ends with its parent, but only
 * from its first instructions on.
 */
function endGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group has ended, or is one of another user after a change of user: the program itself can be ended.
    child.kill('SIGKILL');
  }
}

function waitForExit(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      const late = setTimeout(() => {
        for (const stream of child.stdio) stream?.destroy();
      }, gracePeriod);
      child.once('close', () => {
        clearTimeout(late);
        resolve({ code, signal });
      });
    });
  });
}

/** Waits until a process and its descendants have ended, which takes the kernel a moment. */
async function waitUntilEnded(pid: number): Promise<void> {
  for (let waited = 0; waited < gracePeriod && !(await hasEnded(pid)); waited++) await delay(1);
}

/** Collects the output of a stream up to `maxBytes` bytes, then calls `full` once. */
function collect(stream: Readable, maxBytes: number, full: () => void): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('error', () => undefined);
  stream.on('data', (chunk: Buffer) => {
    if (size + chunk.length > maxBytes) {
      if (size <= maxBytes) full();
      size = Number.POSITIVE_INFINITY;
      return;
    }
    size += chunk.length;
    chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

/** Checks the resources of a process tree. */
export const treeLimitCheck =
  (limits: SandboxLimits): LimitCheck =>
  async (pid) => {
    const use = await treeUse(pid);
    if (use.memory > limits.memoryMiB * mebibyte) return 'memory';
    return use.processes > limits.processes + ownProcesses ? 'processes' : null;
  };

function watchChild(
  child: ChildProcess,
  { look, interval }: { readonly look: LimitCheck; readonly interval: number },
  stop: (limit: BrokenLimit) => void,
): { end(): void } {
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  const again = () => {
    timer = setTimeout(() => void watch().catch(unwatched), interval);
  };
  const watch = async () => {
    const broken = await look(child.pid as number);
    if (over) return;
    if (broken) stop(broken);
    else again();
  };
  // A process that cannot be watched must not run.
  const unwatched = (error: unknown) => {
    child.kill('SIGKILL');
    child.emit('error', error);
  };
  if (child.pid !== undefined) again();
  return {
    end() {
      over = true;
      clearTimeout(timer);
    },
  };
}

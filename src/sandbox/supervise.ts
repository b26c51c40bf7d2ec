import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Interrupted } from '../platform/errors.ts';
import { mebibyte, type SandboxLimits } from './limits.ts';
import { hasEnded, treeUse } from './process-tree.ts';
import type { BrokenLimit, SandboxRun } from './sandbox.ts';

/** Milliseconds between two looks at what runs. */
const lookEvery = 50;
/** Those of the sandbox itself. */
const ownProcesses = 2;
/** Milliseconds in which the pipes of a process that ended must close. */
const patience = 1000;

export type Look = (pid: number) => Promise<BrokenLimit | null>;

export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly input: string;
  /** Open descriptors of this process that the program gets from number 5 on. */
  readonly descriptors: readonly number[];
  /** Finds, in what the program wrote to descriptor 4, the process whose end is the end of all others. */
  readonly lastProcess?: (status: string) => number | null;
  readonly limits: SandboxLimits;
  /** Says which limit a process, whose number is given, and its descendants have broken; asked while it runs and at its end. */
  readonly look: Look;
}

/**
 * Starts a program and sees that it keeps its limits: the whole tree is killed when it is late, grows too big or writes too
 * much. The program must end its descendants when it is killed itself, as bubblewrap does. Throws `Interrupted` where
 * `signal` ended it, and what `spawn` throws where it cannot be started.
 */
export async function supervise(launch: Launch, signal?: AbortSignal): Promise<SandboxRun> {
  const interrupted = () => new Interrupted('The run of tests was stopped.');
  if (signal?.aborted) throw interrupted();
  const { limits } = launch;
  const begin = performance.now();
  const child = spawn(launch.program, launch.args, {
    ...(launch.cwd === undefined ? {} : { cwd: launch.cwd }),
    env: launch.environment,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe', ...launch.descriptors],
    // Ctrl+C in a terminal is for us; we end it.
    detached: true,
  });
  let broken: BrokenLimit | null = null;
  const stop = (limit: BrokenLimit) => {
    broken ??= limit;
    child.kill('SIGKILL');
  };
  const interrupt = () => void child.kill('SIGKILL');
  signal?.addEventListener('abort', interrupt, { once: true });
  const deadline = setTimeout(() => stop('time'), limits.seconds * 1000);
  const watch = watchChild(child, launch.look, stop);
  const keep = limits.outputMiB * mebibyte;
  const [stdout, stderr, report, status] = [1, 2, 3, 4].map((descriptor) =>
    collect(child.stdio[descriptor] as Readable, keep, () => stop('output')),
  ) as [() => string, () => string, () => string, () => string];
  // Whoever does not read its stdin closes it, which is no error of ours.
  child.stdin!.on('error', () => undefined).end(launch.input);
  try {
    const { code, signal: by } = await ended(child);
    const last = launch.lastProcess?.(status()) ?? null;
    if (last !== null) await gone(last);
    broken ??= await launch.look(child.pid as number);
    if (signal?.aborted) throw interrupted();
    const seconds = (performance.now() - begin) / 1000;
    return { code, signal: by, broken, stdout: stdout(), stderr: stderr(), report: report(), seconds };
  } finally {
    clearTimeout(deadline);
    watch.end();
    signal?.removeEventListener('abort', interrupt);
  }
}

function ended(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      const late = setTimeout(() => {
        for (const stream of child.stdio) stream?.destroy();
      }, patience);
      child.once('close', () => {
        clearTimeout(late);
        resolve({ code, signal });
      });
    });
  });
}

/** Waits until a process is no more, its descendants with it; the kernel takes a moment for that. */
async function gone(pid: number): Promise<void> {
  for (let waited = 0; waited < patience && !(await hasEnded(pid)); waited++) await delay(1);
}

/** Gathers what comes on a stream, up to `most` bytes; then `full` is called, once. */
function collect(stream: Readable, most: number, full: () => void): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('error', () => undefined);
  stream.on('data', (chunk: Buffer) => {
    if (size + chunk.length > most) {
      if (size <= most) full();
      size = Number.POSITIVE_INFINITY;
      return;
    }
    size += chunk.length;
    chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

/** Looks at what the processes of a tree use together. */
export const lookAtTree =
  (limits: SandboxLimits): Look =>
  async (pid) => {
    const use = await treeUse(pid);
    if (use.memory > limits.memoryMiB * mebibyte) return 'memory';
    return use.processes > limits.processes + ownProcesses ? 'processes' : null;
  };

function watchChild(child: ChildProcess, look: Look, stop: (limit: BrokenLimit) => void): { end(): void } {
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  const again = () => {
    timer = setTimeout(() => void watch().catch(unwatched), lookEvery);
  };
  const watch = async () => {
    const broken = await look(child.pid as number);
    if (over) return;
    if (broken) stop(broken);
    else again();
  };
  // What cannot be watched must not run.
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

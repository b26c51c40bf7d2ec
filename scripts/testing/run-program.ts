import { type ChildProcess, spawn } from 'node:child_process';

export interface Ended {
  /** Exit code; null if a signal ended the program. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  /** stdout and stderr combined, in order of arrival. */
  readonly output: string;
  readonly seconds: number;
}

const running = new Set<ChildProcess>();

/** Ends all running programs. Called when the whole run is interrupted. */
export function endAll(): void {
  for (const child of running) signalGroup(child, 'SIGTERM');
}

/**
 * Runs a program to its end. After `limit` seconds it gets SIGTERM, and five seconds later SIGKILL. When it ends, the
 * processes that it started and left running are killed.
 */
export function runProgram(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly limit: number; readonly env?: NodeJS.ProcessEnv },
): Promise<Ended> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own process group, so that it can be ended together with the processes that it started.
      detached: process.platform !== 'win32',
    });
    running.add(child);
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));

    let timedOut = false;
    let kill: NodeJS.Timeout | undefined;
    const timer = setTimeout(() => {
      timedOut = true;
      signalGroup(child, 'SIGTERM');
      kill = setTimeout(() => signalGroup(child, 'SIGKILL'), 5000);
    }, options.limit * 1000);

    const settle = () => {
      clearTimeout(timer);
      clearTimeout(kill);
      running.delete(child);
    };
    child.once('error', (error) => {
      settle();
      reject(error);
    });
    child.once('exit', (code, signal) => {
      settle();
      signalGroup(child, 'SIGKILL');
      // Waiting only for 'close' could last forever: a remaining process with its own group may keep the pipes open.
      const end = () => {
        child.stdout.destroy();
        child.stderr.destroy();
        const seconds = (performance.now() - started) / 1000;
        resolve({ code, signal, timedOut, output: Buffer.concat(chunks).toString('utf8'), seconds });
      };
      const late = setTimeout(end, 1000);
      child.once('close', () => {
        clearTimeout(late);
        end();
      });
    });
  });
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  if (process.platform === 'win32') {
    child.kill(signal);
    return;
  }
  try {
    process.kill(-child.pid, signal);
  } catch {
    // No process of the group is left.
  }
}

import { type ChildProcess, spawn } from 'node:child_process';

export interface Ended {
  /** Null where a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  /** stdout and stderr together, in the order in which they came. */
  readonly output: string;
  readonly seconds: number;
}

const running = new Set<ChildProcess>();

/** Ends what still runs, for when the whole run is interrupted. */
export function endAll(): void {
  for (const child of running) child.kill('SIGTERM');
}

/** Runs a program to its end; after `limit` seconds it gets SIGTERM, and five seconds later SIGKILL. */
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
    });
    running.add(child);
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));

    let timedOut = false;
    let kill: NodeJS.Timeout | undefined;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGTERM');
      kill = setTimeout(() => child.kill('SIGKILL'), 5000);
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
    // Not 'close': a process that the program left behind may hold the pipes open for ever.
    child.once('exit', (code, signal) => {
      settle();
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

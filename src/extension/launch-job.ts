import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../platform/errors.ts';
import { dataHome } from '../platform/files.ts';
import type { NodeProgram } from './find-node.ts';

/** Milliseconds between two looks at what a job that starts has said. */
const lookEvery = 100;

/**
 * Starts a command of the packaged `unmask` as a job: a detached process of low priority that outlives the window, for
 * whom its run directory is the whole interface. Returns that directory as soon as the job has said it.
 *
 * @param script the packaged `unmask.mjs`
 * @throws UserError with the program's own words where it ends before it has a run directory
 */
export async function launchJob(
  node: NodeProgram,
  script: string,
  args: readonly string[],
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<string> {
  const folder = path.join(dataHome(), 'cache', 'jobs');
  await mkdir(folder, { recursive: true });
  // Files, not pipes: a pipe to this process would break when the window closes.
  const said = path.join(folder, `${randomUUID()}.log`);
  const printed = `${said.slice(0, -4)}.json`;
  const [stderr, stdout] = await Promise.all([open(said, 'a'), open(printed, 'a')]);
  const child = spawn(node.file, [script, ...args, '--json'], {
    // Not the workspace: what lies there is none of this program's business.
    cwd: path.dirname(script),
    env: { ...process.env, ...node.environment },
    stdio: ['ignore', stdout.fd, stderr.fd],
    windowsHide: true,
    detached: true,
  });
  child.unref();
  let over: string | null = null;
  child.once('error', (error) => {
    over = `${node.file} could not be started (${error.message}).`;
  });
  child.once('exit', (code, how) => {
    over ??= `unmask ${args[0]} ended with ${code ?? how} before it began; ${said} has its last words.`;
  });
  await Promise.all([stdout.close(), stderr.close()]);
  lowerPriority(child.pid);
  for (;;) {
    const dir = /^run (.+)$/m.exec(await readFile(said, 'utf8'))?.[1];
    if (dir !== undefined) return dir;
    if (over !== null) throw new UserError(errorIn(await readFile(printed, 'utf8')) ?? over);
    if (signal?.aborted) {
      child.kill('SIGINT');
      throw new UserError(`unmask ${args[0]} was cancelled before it began.`);
    }
    await delay(lookEvery);
  }
}

/** Whoever types comes first. A job that cannot be made nicer runs all the same. */
function lowerPriority(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // The platform forbids it, or the process is gone already.
  }
}

function errorIn(output: string): string | null {
  try {
    const { error } = JSON.parse(output) as { error?: { message?: unknown } };
    return typeof error?.message === 'string' ? error.message : null;
  } catch {
    return null;
  }
}

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Interrupted, UserError } from '../platform/errors.ts';
import { dataHome } from '../platform/files.ts';
import { defaultJobSettings } from '../protocol/default-settings.ts';
import { errorIn, parseDocument } from './command-output.ts';
import type { NodeProgram } from './find-node.ts';

/** Milliseconds between two reads of the output of a job that is starting. */
const pollInterval = 100;
/** Milliseconds for which the start-up log of a job is kept; its run directory has its own log. */
const logRetention = 7 * 24 * 3_600_000;

/**
 * Starts a command of the packaged `unmask` as a job: a detached process of low priority that outlives the window and
 * communicates through its run directory only. Returns that directory as soon as the job has printed it.
 *
 * @param script the packaged `unmask.mjs`
 * @param options.lowPriority whether other processes take precedence; true by default
 * @throws UserError with the program's error message if it exits before it has a run directory, Interrupted if the
 * signal was aborted before then
 */
export async function launchJob(
  node: NodeProgram,
  script: string,
  args: readonly string[],
  {
    signal,
    lowPriority = defaultJobSettings.lowPriority,
  }: { readonly signal?: AbortSignal; readonly lowPriority?: boolean } = {},
): Promise<string> {
  const folder = path.join(dataHome(), 'cache', 'jobs');
  await mkdir(folder, { recursive: true });
  await removeOldLogs(folder);
  // Output goes to files: a pipe to this process would break when the window closes.
  const stderrFile = path.join(folder, `${randomUUID()}.log`);
  const stdoutFile = `${stderrFile.slice(0, -4)}.json`;
  const [stderr, stdout] = await Promise.all([open(stderrFile, 'a'), open(stdoutFile, 'a')]);
  const child = spawn(node.file, [script, ...args, '--json'], {
    // Not the workspace: the program must not depend on the files there.
    cwd: path.dirname(script),
    env: { ...process.env, ...node.environment },
    stdio: ['ignore', stdout.fd, stderr.fd],
    windowsHide: true,
    detached: true,
  });
  child.unref();
  let exitReason: string | null = null;
  child.once('error', (error) => {
    exitReason = `${node.file} could not be started: ${error.message}.`;
  });
  child.once('exit', (code, exitSignal) => {
    exitReason ??= `unmask ${args[0]} exited with ${code ?? exitSignal} before its run started. See the log ${stderrFile}.`;
  });
  await Promise.all([stdout.close(), stderr.close()]);
  if (lowPriority) lowerPriority(child.pid);
  for (;;) {
    // Read before the output: a job may print its run directory and exit between the two.
    const ended: string | null = exitReason;
    const dir = /^run (.+?)\r?$/m.exec(await readCompleteLines(stderrFile))?.[1];
    if (dir !== undefined) return dir;
    if (ended !== null) throw new UserError(errorIn(parseDocument(await readFile(stdoutFile, 'utf8'))) ?? ended);
    if (signal?.aborted) {
      child.kill('SIGINT');
      throw new Interrupted(`unmask ${args[0]} was cancelled before its run started.`);
    }
    await delay(pollInterval);
  }
}

/** The output so far, without a last line that is incomplete. */
async function readCompleteLines(file: string): Promise<string> {
  const text = await readFile(file, 'utf8');
  return text.slice(0, text.lastIndexOf('\n') + 1);
}

async function removeOldLogs(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = path.join(folder, name);
    const written = (await stat(file).catch(() => null))?.mtimeMs ?? Date.now();
    if (Date.now() - written > logRetention) await rm(file, { force: true });
  }
}

/** Typing in the editor takes precedence over a job. If the priority cannot be lowered, the job runs as it is. */
function lowerPriority(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // The platform forbids it, or the process has already exited.
  }
}

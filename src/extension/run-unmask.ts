import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Interrupted, UserError } from '../platform/errors.ts';
import { errorIn, parseDocument } from './command-output.ts';
import type { NodeProgram } from './find-node.ts';

/** Milliseconds for the program to save and exit before it is killed. */
const exitTimeout = 3000;

/**
 * Runs a command of the packaged `unmask` in a separate process and returns its JSON document. The document is not
 * validated, because program and extension come in one package.
 *
 * @param script the packaged `unmask.mjs`
 * @param log called with each line that the program writes to standard error
 * @throws Interrupted if the signal was aborted, UserError with the program's error message if it failed
 */
export async function runUnmask<Document>(
  node: NodeProgram,
  script: string,
  args: readonly string[],
  { signal, log }: { readonly signal: AbortSignal; readonly log: (line: string) => void },
): Promise<Document> {
  const command = `unmask ${args.join(' ')}`;
  if (signal.aborted) throw new Interrupted(`${command} was cancelled.`);
  const child = spawn(node.file, [script, ...args, '--json'], {
    // Not the workspace: the program must not depend on the files there.
    cwd: path.dirname(script),
    env: { ...process.env, ...node.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
    // A separate process group, so that all of it can be killed.
    detached: process.platform !== 'win32',
  });
  const stop = () => interrupt(child);
  signal.addEventListener('abort', stop, { once: true });
  try {
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
    createInterface({ input: child.stderr }).on('line', log);
    const code = await exitCode(child);
    if (signal.aborted) throw new Interrupted(`${command} was cancelled.`);
    const document = parseDocument(output);
    const failure = errorIn(document);
    if (failure !== null) throw new UserError(failure);
    if (code !== 0 || document === undefined) {
      throw new UserError(`${command} exited with ${code} in ${node.file}. See the output channel "Unmask".`);
    }
    return document as Document;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function exitCode(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new UserError(`${child.spawnfile} could not be started: ${error.message}.`)));
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
}

/** Asks the program to save and exit, and kills it after a while: an engine cannot be interrupted within a step. */
function interrupt(child: ChildProcess): void {
  child.kill('SIGINT');
  const timer = setTimeout(() => killTree(child), exitTimeout);
  child.once('close', () => clearTimeout(timer));
}

/** Kills the program and its children, for example the self-test of a device that hangs. */
function killTree(child: ChildProcess): void {
  if (child.pid === undefined) return;
  if (process.platform === 'win32') {
    spawn('taskkill', ['/pid', String(child.pid), '/t', '/f'], { stdio: 'ignore', windowsHide: true });
    return;
  }
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // All of it has exited already.
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Interrupted, UserError } from '../platform/errors.ts';
import { errorIn, parseDocument } from './command-output.ts';
import type { NodeProgram } from './find-node.ts';

/** How long the program may take to save and leave before it is ended. */
const patience = 3000;

/**
 * Runs a command of the packaged `unmask` in a process of its own and returns its JSON document, which has the shape
 * that the command is documented to have: program and extension come in one package.
 *
 * @param script the packaged `unmask.mjs`
 * @param log what it says on the way, a line each
 * @throws Interrupted when the signal ended it, UserError with the program's own words when it failed
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
    // Not the workspace: what lies there is none of this program's business.
    cwd: path.dirname(script),
    env: { ...process.env, ...node.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
    // A process group of its own, which can be ended as a whole.
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
      throw new UserError(
        `${command} ended with ${code} in ${node.file}; the output channel "Unmask" has its last words.`,
      );
    }
    return document as Document;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function exitCode(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new UserError(`${child.spawnfile} could not be started (${error.message}).`)),
    );
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
}

/** Asks it to save and leave, and ends it when it does not: an engine does not look up in the middle of a step. */
function interrupt(child: ChildProcess): void {
  child.kill('SIGINT');
  const timer = setTimeout(() => killTree(child), patience);
  child.once('close', () => clearTimeout(timer));
}

/** Ends the program and what it started, the self-test of a device that hangs for example. */
function killTree(child: ChildProcess): void {
  if (child.pid === undefined) return;
  if (process.platform === 'win32') {
    spawn('taskkill', ['/pid', String(child.pid), '/t', '/f'], { stdio: 'ignore', windowsHide: true });
    return;
  }
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // All of it has ended by itself.
  }
}

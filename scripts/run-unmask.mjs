import { spawn } from 'node:child_process';
import path from 'node:path';
import { root } from './set-up.mjs';

/**
 * Runs the built `unmask` with these arguments in place of this process: with the same terminal, exit code and signals.
 * @param {string[]} args
 * @returns {Promise<void>}
 */
export function runUnmask(args) {
  // On Ctrl+C, a terminal signals every process of its group, and npm then signals its child again. A child in this group
  // could get three interrupts, and `unmask` may take the second one as "stop immediately". The child therefore has its own
  // group, and each intended signal is forwarded once. (A Windows console has no groups; each process gets one signal.)
  const ownGroup = process.platform !== 'win32';
  const endWithParent = new URL('end-with-parent.mjs', import.meta.url).href;
  const child = spawn(process.execPath, ['--import', endWithParent, path.join(root, 'dist', 'unmask.mjs'), ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    detached: ownGroup,
  });

  /** @type {Map<NodeJS.Signals, number>} */
  const lastSent = new Map();
  /** @param {NodeJS.Signals} signal */
  const forward = (signal) => {
    const now = performance.now();
    const repeated = now - (lastSent.get(signal) ?? Number.NEGATIVE_INFINITY) < 500;
    lastSent.set(signal, now);
    if (ownGroup && !repeated) child.kill(signal);
  };
  /** @type {NodeJS.Signals[]} */
  const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', ...(ownGroup ? /** @type {const} */ (['SIGWINCH']) : [])];
  for (const signal of forwarded) process.on(signal, forward);
  if (ownGroup) {
    // Ctrl+Z suspends both processes, and `fg` resumes them.
    process.on('SIGTSTP', () => {
      child.kill('SIGSTOP');
      process.kill(process.pid, 'SIGSTOP');
    });
    process.on('SIGCONT', () => child.kill('SIGCONT'));
  }

  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      for (const name of forwarded) process.off(name, forward);
      if (signal) process.kill(process.pid, signal);
      process.exitCode = code ?? 1;
      resolve();
    });
  });
}

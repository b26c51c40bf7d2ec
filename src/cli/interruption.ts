import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Interrupted } from '../platform/errors.ts';
import { exit } from './command-line.ts';

/**
 * Turns the signals that ask a command to end into one `AbortSignal`: Ctrl+C, `kill`, and the end of its terminal. A second
 * signal ends the process at once.
 *
 * @param options.onHangUp false: the end of the terminal (SIGHUP) is ignored
 */
export function stopOnSignals({ onHangUp }: { readonly onHangUp: boolean }): AbortSignal {
  const interruption = new AbortController();
  const stop = () => {
    if (interruption.signal.aborted) process.exit(exit.interrupted);
    process.stderr.write('\nStopping and saving what can be resumed. Press Ctrl+C again to stop at once.\n');
    interruption.abort(new Interrupted('The command was stopped before it had a result.'));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('SIGHUP', onHangUp ? stop : () => undefined);
  return interruption.signal;
}

/**
 * Whether this process was started to outlive its terminal. Node resets the signals that it inherits as ignored, so this
 * relies on other signs: `nohup` in the shell's variable `_`, and a parent process that ignores SIGHUP itself
 * (`trap '' HUP`), as Linux reports it.
 */
export function ignoresHangUp(variable = process.env._, parent = statusOf(process.ppid)): boolean {
  if (path.basename(variable ?? '') === 'nohup') return true;
  const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(parent)?.[1] ?? '0';
  // SIGHUP is signal 1, the lowest bit.
  return (BigInt(`0x${mask}`) & 1n) === 1n;
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    // Not Linux, or the parent has ended.
    return '';
  }
}

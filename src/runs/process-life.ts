import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { promisify } from 'node:util';

/** Whether a process with this number runs on this machine, ours or somebody else's. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether a time is before this machine was started, so that no process of then is alive; a minute is left for clocks. */
export const isBeforeBoot = (time: string): boolean => Date.parse(time) < Date.now() - uptime() * 1000 - 60_000;

/**
 * When a process began, as a text that only equals itself: process numbers are used again, this is not. Linux counts
 * ticks since a named boot, which no change of the clock moves; macOS has the start's date; null elsewhere (Windows)
 * and for a process that is gone.
 */
export async function startOfProcess(pid: number): Promise<string | null> {
  try {
    if (process.platform === 'linux') {
      const [stat, boot] = await Promise.all([
        readFile(`/proc/${pid}/stat`, 'utf8'),
        readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      ]);
      // proc(5): field 22, counted after the command's closing parenthesis, since a command may hold spaces.
      const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
      return ticks ? `${boot.trim()} ${ticks}` : null;
    }
    if (process.platform === 'darwin') {
      const environment = { LC_ALL: 'C', TZ: 'UTC' };
      const { stdout } = await promisify(execFile)('/bin/ps', ['-o', 'lstart=', '-p', String(pid)], {
        env: environment,
      });
      return stdout.trim() || null;
    }
  } catch {
    // The process is gone, or the platform hides it: not knowing is an answer here.
  }
  return null;
}

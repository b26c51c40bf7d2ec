import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { promisify } from 'node:util';

/** Whether a process with this ID runs on this machine, under any user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether a time is before this machine booted, so that no process of that time is alive. Clocks may differ by a minute. */
export const isBeforeBoot = (time: string): boolean => Date.parse(time) < Date.now() - uptime() * 1000 - 60_000;

/**
 * When a process started, as a text that identifies the process together with its ID, because IDs are reused. On Linux
 * the text is the boot ID and the ticks since boot, which do not depend on the clock; on macOS, the start date. Null on
 * other systems (Windows) and for a process that has ended.
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
    // The process has ended or the platform hides its start time; null means unknown.
  }
  return null;
}

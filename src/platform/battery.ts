import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

/** Whether this machine runs on battery; null if it has none or if that is unknown. */
export async function onBattery(): Promise<boolean | null> {
  try {
    if (process.platform === 'linux') return await onBatteryByLinux();
    if (process.platform === 'darwin') return readPmset(await run('/usr/bin/pmset', ['-g', 'batt']));
    if (process.platform === 'win32') return readBatteryStatus(await run('powershell.exe', windowsQuery));
  } catch {
    // The query program is missing or may not be run: unknown is a valid answer.
  }
  return null;
}

/** Reads the kernel's power supplies, linux/Documentation/ABI/testing/sysfs-class-power. */
export async function onBatteryByLinux(supplies = '/sys/class/power_supply'): Promise<boolean | null> {
  const names = await readdir(supplies).catch(() => []);
  let discharging: boolean | null = null;
  for (const name of names) {
    const of = (file: string) =>
      readFile(path.join(supplies, name, file), 'utf8').then(
        (text) => text.trim(),
        () => null,
      );
    const [type, online, status, scope] = await Promise.all([of('type'), of('online'), of('status'), of('scope')]);
    // Skip the batteries of peripherals such as mice.
    if (scope === 'Device') continue;
    if (type === 'Battery') discharging = discharging === true || status === 'Discharging';
    else if (online === '1') return false;
  }
  return discharging;
}

/** `pmset -g batt` begins with "Now drawing from 'Battery Power'" or "'AC Power'"; a desktop lists no battery. */
export function readPmset(output: string): boolean | null {
  const source = /drawing from '([^']+)'/.exec(output)?.[1];
  if (source === 'Battery Power') return true;
  return source === 'AC Power' && output.includes('InternalBattery') ? false : null;
}

/**
 * Prints Win32_Battery.BatteryStatus, one number per line: 1 is discharging, 4 and 5 are low and critical while
 * discharging.
 */
const windowsQuery = [
  '-NoProfile',
  '-NonInteractive',
  '-Command',
  '(Get-CimInstance -ClassName Win32_Battery).BatteryStatus',
];

export function readBatteryStatus(output: string): boolean | null {
  const statuses = output.split(/\s+/).filter(Boolean).map(Number);
  if (statuses.length === 0 || statuses.some(Number.isNaN)) return null;
  return statuses.some((status) => status === 1 || status === 4 || status === 5);
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { timeout: 10_000, windowsHide: true });
  return stdout;
}

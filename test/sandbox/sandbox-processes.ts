import { readdir, readFile } from 'node:fs/promises';

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
}

/** The processes that a process started, directly or not (Linux). */
async function descendants(pid: number): Promise<ProcessEntry[]> {
  const all: ProcessEntry[] = [];
  for (const entry of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const status = await readFile(`/proc/${entry}/status`, 'utf8').catch(() => '');
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
    all.push({ pid: Number(entry), parent: Number(field('PPid')), name: field('Name') });
  }
  const inside = new Set([pid]);
  for (let size = 0; size < inside.size; ) {
    size = inside.size;
    for (const one of all) if (inside.has(one.parent)) inside.add(one.pid);
  }
  return all.filter((one) => inside.has(one.pid) && one.pid !== pid);
}

/** Kills a process; false if it has ended. */
export function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

/** The processes of the sandboxes that a process has started. */
export const sandboxesOf = async (pid: number): Promise<number[]> =>
  (await descendants(pid)).filter(({ name }) => name === 'bwrap').map((one) => one.pid);

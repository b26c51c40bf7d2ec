import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** The resources that a process and all its descendants use together. */
export interface TreeUse {
  /** Processes, including their threads on Linux. */
  readonly processes: number;
  /** Bytes of private memory, without program code and mapped files. */
  readonly memory: number;
}

/** Measures a process tree. One that has ended uses nothing. */
export function treeUse(root: number): Promise<TreeUse> {
  return process.platform === 'linux' ? linuxTree(root) : psTree(root);
}

async function linuxTree(pid: number): Promise<TreeUse> {
  const [children, status] = await Promise.all([childrenOf(pid), readOrNothing(`/proc/${pid}/status`)]);
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  const own = {
    processes: kilobytes('Threads'),
    memory: 1024 * (kilobytes('RssAnon') + kilobytes('RssShmem')),
  };
  return [own, ...(await Promise.all(children.map(linuxTree)))].reduce(add);
}

/** Clock ticks per second in `/proc/PID/stat`: 100 on every architecture of Linux that Node supports. */
const ticksPerSecond = 100;

/**
 * CPU seconds that a process, its descendants, and those that ended and were waited for have used together; null if this system does
 * not say.
 */
export async function treeCpuSeconds(pid: number): Promise<number | null> {
  if (process.platform !== 'linux') return null;
  const stat = await readOrNothing(`/proc/${pid}/stat`);
  // utime, stime, cutime and cstime follow the name, which may contain spaces.
  const own = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15);
  const others = await Promise.all((await childrenOf(pid)).map(treeCpuSeconds));
  const sum = (numbers: readonly number[]) => numbers.reduce((all, number) => all + number, 0);
  return sum(own.map(Number)) / ticksPerSecond + sum(others.map((seconds) => seconds ?? 0));
}

/** Every thread of a process has its own list of children. */
async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(threads.map((thread) => readOrNothing(`/proc/${pid}/task/${thread}/children`)));
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}

const readOrNothing = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');

async function psTree(root: number): Promise<TreeUse> {
  const { stdout } = await promisify(execFile)('/bin/ps', ['-axo', 'pid=,ppid=,rss=']);
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [pid: number, parent: number, kilobytes: number]);
  const use = (pid: number): TreeUse =>
    rows
      .filter(([, parent]) => parent === pid)
      .map(([child]) => use(child))
      .reduce(add, { processes: 1, memory: 1024 * (rows.find(([other]) => other === pid)?.[2] ?? 0) });
  return use(root);
}

const add = (a: TreeUse, b: TreeUse): TreeUse => ({
  processes: a.processes + b.processes,
  memory: a.memory + b.memory,
});

/** Whether a process on Linux has ended, or is a zombie that its parent has not read. */
export async function hasEnded(pid: number): Promise<boolean> {
  const stat = await readOrNothing(`/proc/${pid}/stat`);
  return stat === '' || /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
}

/**
 * Linux control groups, if this process may create them: the kernel counts the resources of all processes of a run
 * together, and ends them at the limit. Version 2 uses groups next to this process's own, where the manager (systemd,
 * in a user's session) has delegated memory and processes; version 1 uses groups below its own.
 */
import { constants } from 'node:fs';
import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mebibyte, type SandboxLimits } from './limits.ts';
import type { LimitCheck } from './supervise.ts';

/** Creates control groups that hold one run each. */
export interface ControlGroups {
  open(limits: SandboxLimits): Promise<RunGroup>;
}

/** The control group of one run. */
export interface RunGroup {
  /** Files to which a process writes its number, so that it and all its children are counted. */
  readonly entries: readonly string[];
  /**
   * Reports whether the processes exceed the memory limit, or whether the kernel ended one of them for lack of
   * memory. The kernel also does that when the scratch folders are full, and it may leave other processes alive.
   */
  readonly checkLimits: LimitCheck;
  remove(): Promise<void>;
}

/** A folder in which groups can be created, or a created group, and the resources that it counts. */
interface Parent {
  readonly folder: string;
  readonly memory: 'v1' | 'v2' | null;
  readonly processes: boolean;
}

/** Processes in addition to the run's own: the sandbox's, and the shell that enters the group. */
const ownProcesses = 3;
/** Folders in memory that a run may fill (`work`, `/tmp`, `/dev/shm`). Their content counts as memory. */
const scratchFolders = 3;
/** Milliseconds that the kernel may take to remove the last process from a group, on a machine with much else to do. */
const gracePeriod = 30_000;
const ownName = /^unmask-(\d+)-\d+$/;
let named = 0;
const nextName = (): string => `unmask-${process.pid}-${named++}`;

/** Where the kernel reports the number of processes ended for lack of memory, and the bytes of memory without files. */
const memoryStatistics = {
  v1: { kills: 'memory.oom_control', own: 'rss' },
  v2: { kills: 'memory.events', own: 'anon' },
} as const;

/**
 * The control groups that this process may create; null if none. `proc` is the folder with this process's `cgroup`
 * and `mountinfo`.
 */
export async function findControlGroups(proc = '/proc/self'): Promise<ControlGroups | null> {
  for (const parents of candidates(await readOrNothing(`${proc}/cgroup`), await readOrNothing(`${proc}/mountinfo`))) {
    if (!(await Promise.all(parents.map(isUsable))).every(Boolean)) continue;
    await Promise.all(parents.map(({ folder }) => removeStaleGroups(folder)));
    return groupsIn(parents);
  }
  return null;
}

function groupsIn(parents: readonly Parent[]): ControlGroups {
  return {
    async open(limits) {
      const name = nextName();
      const groups = parents.map((parent) => ({ ...parent, folder: path.join(parent.folder, name) }));
      const remove = async () => {
        await Promise.all(groups.map(({ folder }) => removeGroup(folder)));
      };
      try {
        for (const group of groups) {
          await mkdir(group.folder);
          await setLimits(group, limits);
        }
      } catch (error) {
        await remove();
        throw error;
      }
      return {
        entries: groups.map(({ folder }) => path.join(folder, 'cgroup.procs')),
        async checkLimits() {
          for (const { folder, memory } of groups) {
            if (memory === null) continue;
            const { kills, own } = memoryStatistics[memory];
            const [killed, used] = await Promise.all([
              numberIn(path.join(folder, kills), 'oom_kill'),
              numberIn(path.join(folder, 'memory.stat'), own),
            ]);
            if (killed > 0 || used > limits.memoryMiB * mebibyte) return 'memory';
          }
          return null;
        },
        remove,
      };
    },
  };
}

async function setLimits({ folder, memory, processes }: Parent, limits: SandboxLimits): Promise<void> {
  const write = (file: string, value: number) => writeFile(path.join(folder, file), String(value));
  // Machines without swap accounting lack this file.
  const writeIfThere = (file: string, value: number) => write(file, value).catch(() => undefined);
  const bytes = (limits.memoryMiB + scratchFolders * limits.scratchMiB) * mebibyte;
  if (memory === 'v1') {
    await write('memory.limit_in_bytes', bytes);
    await writeIfThere('memory.memsw.limit_in_bytes', bytes);
  }
  if (memory === 'v2') {
    await write('memory.max', bytes);
    await writeIfThere('memory.swap.max', 0);
    await writeIfThere('memory.oom.group', 1);
  }
  if (processes) await write('pids.max', limits.processes + ownProcesses);
}

/** The possible parent groups, best first, from this process's own groups and their mount points. */
function candidates(own: string, mounts: string): Parent[][] {
  const ways: Parent[][] = [];
  const unified = folderOf('', own, mounts);
  if (unified !== null) ways.push([{ folder: path.dirname(unified), memory: 'v2', processes: true }]);
  const [memory, pids] = ['memory', 'pids'].map((controller) => folderOf(controller, own, mounts));
  if (memory && pids) {
    const apart: Parent[] = [
      { folder: memory, memory: 'v1', processes: false },
      { folder: pids, memory: null, processes: true },
    ];
    ways.push(memory === pids ? [{ folder: memory, memory: 'v1', processes: true }] : apart);
  }
  return ways;
}

/** The folder of this process's own group in the hierarchy of a controller ('' is version 2). Null: none. */
function folderOf(controller: string, own: string, mounts: string): string | null {
  const group = lines(own)
    .map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
    .find((match) => match !== null && (match[1] as string).split(',').includes(controller))?.[2];
  if (group === undefined) return null;
  for (const line of lines(mounts)) {
    // Fields: id, parent, device, root, mount point, options, optional ones, '-', type, source, super options.
    const [location, kind] = line.split(' - ').map((half) => half.split(' ')) as [string[], string[] | undefined];
    const [root, mounted, type, options] = [location[3], location[4], kind?.[0], kind?.[2]?.split(',') ?? []];
    if (root === undefined || mounted === undefined) continue;
    if (controller === '' ? type !== 'cgroup2' : type !== 'cgroup' || !options.includes(controller)) continue;
    const inside = path.posix.relative(root, group);
    if (!inside.startsWith('..')) return path.posix.join(mounted, inside);
  }
  return null;
}

/** Whether groups created there count what they should, and whether we may create them and move a process into one. */
async function isUsable({ folder, memory, processes }: Parent): Promise<boolean> {
  if (memory === 'v2') {
    const delegated = (await readOrNothing(path.join(folder, 'cgroup.subtree_control'))).trim().split(/\s+/);
    if (!(delegated.includes('memory') && delegated.includes('pids'))) return false;
  }
  try {
    await access(path.join(folder, 'cgroup.procs'), constants.W_OK);
    const trial = path.join(folder, nextName());
    await mkdir(trial);
    try {
      const written = [
        ...(memory === 'v1' ? ['memory.limit_in_bytes'] : []),
        ...(memory === 'v2' ? ['memory.max'] : []),
        ...(processes ? ['pids.max'] : []),
      ];
      for (const file of written) await access(path.join(trial, file), constants.W_OK);
      if (memory !== null) await access(path.join(trial, memoryStatistics[memory].kills), constants.R_OK);
      return true;
    } finally {
      await removeGroup(trial);
    }
  } catch {
    return false;
  }
}

/** Removes groups of a process that was killed before it could remove them. */
async function removeStaleGroups(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = ownName.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await rmdir(path.join(folder, name)).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Removes a group, and ends the processes that are still in it. A missing group is fine.
 *
 * @throws Error of the kernel if a process does not end in time
 */
async function removeGroup(folder: string): Promise<void> {
  const deadline = performance.now() + gracePeriod;
  for (let pause = 1; ; pause = Math.min(2 * pause, 50)) {
    try {
      return await rmdir(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      if (performance.now() >= deadline) throw error;
    }
    // Most processes have ended and only wait for the kernel; a new list each time excludes reused numbers.
    for (const pid of lines(await readOrNothing(path.join(folder, 'cgroup.procs')))) endProcess(Number(pid));
    await delay(pause);
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}

async function numberIn(file: string, name: string): Promise<number> {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await readOrNothing(file))?.[1] ?? 0);
}

const lines = (text: string): string[] => text.split('\n').filter(Boolean);
const readOrNothing = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');

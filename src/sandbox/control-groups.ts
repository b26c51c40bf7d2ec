/**
 * Control groups of Linux, where this process may make some: the kernel itself then counts what all processes of a run use
 * together, and ends them when it is too much. Both versions: of version 2 the groups beside our own, where whoever manages
 * them (systemd, for a user's own session) has handed memory and processes on; of version 1 groups below our own.
 */
import { constants } from 'node:fs';
import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mebibyte, type SandboxLimits } from './limits.ts';
import type { Look } from './supervise.ts';

/** Groups of this machine that hold one run each. */
export interface ControlGroups {
  open(limits: SandboxLimits): Promise<RunGroup>;
}

/** What counts one run. */
export interface RunGroup {
  /** Files into which a process writes its number, so that it and all that it starts are counted. */
  readonly entries: readonly string[];
  /**
   * Says whether the processes use more memory than they may, or the kernel ended one of them for it, as it does where
   * scratch folders are full as well; it may have left the others alone.
   */
  readonly look: Look;
  remove(): Promise<void>;
}

/** A folder in which groups can be made, or one that was, and what it counts. */
interface Parent {
  readonly folder: string;
  readonly memory: 'v1' | 'v2' | null;
  readonly processes: boolean;
}

/** Processes beside the run's own: the sandbox's and the shell that enters. */
const ownProcesses = 3;
/** Folders in memory that a run may fill (`work`, `/tmp`, `/dev/shm`): what lies there counts as memory. */
const scratchFolders = 3;
/** Milliseconds in which the kernel takes the last process out of a group. */
const patience = 1000;
const ownName = /^unmask-(\d+)-\d+$/;
let named = 0;
const nextName = (): string => `unmask-${process.pid}-${named++}`;

/** Where the kernel says how many processes it ended for want of memory, and how many bytes are theirs without files. */
const statistics = {
  v1: { kills: 'memory.oom_control', own: 'rss' },
  v2: { kills: 'memory.events', own: 'anon' },
} as const;

/**
 * The groups that this process may make; null where it may make none. `proc` is the folder that tells of this process,
 * with `cgroup` and `mountinfo`.
 */
export async function findControlGroups(proc = '/proc/self'): Promise<ControlGroups | null> {
  for (const parents of candidates(await readOrNothing(`${proc}/cgroup`), await readOrNothing(`${proc}/mountinfo`))) {
    if (!(await Promise.all(parents.map(mayBeUsed))).every(Boolean)) continue;
    await Promise.all(parents.map(({ folder }) => removeForgotten(folder)));
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
          await limit(group, limits);
        }
      } catch (error) {
        await remove();
        throw error;
      }
      return {
        entries: groups.map(({ folder }) => path.join(folder, 'cgroup.procs')),
        async look() {
          for (const { folder, memory } of groups) {
            if (memory === null) continue;
            const { kills, own } = statistics[memory];
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

async function limit({ folder, memory, processes }: Parent, limits: SandboxLimits): Promise<void> {
  const write = (file: string, value: number) => writeFile(path.join(folder, file), String(value));
  // A machine that does not count swapping has no file for it.
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

/** The ways to make groups, best first, by what the kernel says of this process's own and of where they are mounted. */
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

/** Where this process's own group lies of the hierarchy that has a controller; '' is version 2's. Null: nowhere. */
function folderOf(controller: string, own: string, mounts: string): string | null {
  const group = lines(own)
    .map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
    .find((match) => match !== null && (match[1] as string).split(',').includes(controller))?.[2];
  if (group === undefined) return null;
  for (const line of lines(mounts)) {
    // Fields: id, parent, device, root, mount point, options, optional ones, '-', type, source, super options.
    const [place, kind] = line.split(' - ').map((half) => half.split(' ')) as [string[], string[] | undefined];
    const [root, mounted, type, options] = [place[3], place[4], kind?.[0], kind?.[2]?.split(',') ?? []];
    if (root === undefined || mounted === undefined) continue;
    if (controller === '' ? type !== 'cgroup2' : type !== 'cgroup' || !options.includes(controller)) continue;
    const inside = path.posix.relative(root, group);
    if (!inside.startsWith('..')) return path.posix.join(mounted, inside);
  }
  return null;
}

/** Whether groups made there count what they should, and we may make them and move a process of ours into one. */
async function mayBeUsed({ folder, memory, processes }: Parent): Promise<boolean> {
  if (memory === 'v2') {
    const handedOn = (await readOrNothing(path.join(folder, 'cgroup.subtree_control'))).trim().split(/\s+/);
    if (!(handedOn.includes('memory') && handedOn.includes('pids'))) return false;
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
      if (memory !== null) await access(path.join(trial, statistics[memory].kills), constants.R_OK);
      return true;
    } finally {
      await removeGroup(trial);
    }
  } catch {
    return false;
  }
}

/** Groups of a process that was killed before it could remove them. */
async function removeForgotten(folder: string): Promise<void> {
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

/** A group that still has a process cannot be removed; one that is not there is. */
async function removeGroup(folder: string): Promise<void> {
  for (let waited = 0; ; waited++) {
    try {
      return await rmdir(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      if (waited >= patience) throw error;
      await delay(1);
    }
  }
}

async function numberIn(file: string, name: string): Promise<number> {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await readOrNothing(file))?.[1] ?? 0);
}

const lines = (text: string): string[] => text.split('\n').filter(Boolean);
const readOrNothing = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');

/**
 * The sandbox on Linux: bubblewrap, with its own namespaces. The system is visible read-only, and only the shown
 * files of the machine. The network is an isolated loopback. Writes go to size-limited folders in memory that vanish
 * with the run. docs/security.md lists every property and what is not covered.
 */
import { existsSync, lstatSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { release as osRelease } from 'node:os';
import path from 'node:path';
import type { SandboxFinding } from '../protocol/devices.ts';
import type { ControlGroups, RunGroup } from './control-groups.ts';
import { closeDescriptors, inheritableDescriptors } from './descriptors.ts';
import { defaultLimits, mebibyte, type SandboxLimits } from './limits.ts';
import { firstConnection, type Sandbox, type SandboxJob, type ShownPath } from './sandbox.ts';
import { seccompFilter } from './seccomp.ts';
import { makeFolder, openStage, type Stage, within } from './stage.ts';
import { type Launch, supervise, treeLimitCheck } from './supervise.ts';

/** The user that runs the job if we are root, because limits on processes do not apply to root: `nobody`. */
const nobody = 65534;

/** System folders that programs need. On most current systems they are links into /usr. */
const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/nix/store'];
/** Files of /etc that locate libraries, time zones and Java. None of them identifies the machine's users. */
const systemFiles = ['/etc/ld.so.cache', '/etc/alternatives', '/etc/localtime'];

/** Files that programs expect, with content that does not describe this machine. */
const syntheticFiles = {
  'etc/passwd': 'sandbox:x:65534:65534:sandbox:/tmp:/bin/sh\n',
  'etc/group': 'sandbox:x:65534:\n',
  'etc/hosts': '127.0.0.1 localhost\n::1 localhost\n',
};

/** The descriptors after the report's (3): bubblewrap's status, its options, and its filter. */
const statusDescriptor = 4;
const optionsDescriptor = 5;
const filterDescriptor = 6;

export interface BubblewrapPrograms {
  readonly bwrap: string;
  readonly prlimit: string;
  /** For root: `unshare` and `setpriv`, to mount paths that only root can read and then to drop to nobody. */
  readonly unshare: string;
  readonly setpriv: string;
}

/** `groups`: control groups, in which the kernel counts memory and processes. Null: a watchdog does. */
export function bubblewrap(
  programs: BubblewrapPrograms,
  groups: ControlGroups | null,
  finding: SandboxFinding,
): Sandbox {
  const user = process.getuid?.() === 0 ? nobody : null;
  return {
    finding,
    async run(job, signal, connections = {}) {
      const limits = { ...defaultLimits, ...job.limits };
      const stage = openStage(user);
      let group: RunGroup | null = null;
      try {
        group = (await groups?.open(limits)) ?? null;
        const filter = seccompFilter(process.arch, { isSolitary: job.isSolitary === true });
        const { options, ...line } = await commandLine(job, limits, {
          programs,
          stage,
          user,
          group,
          filtered: filter !== null,
          connected: connections.onSocket ? 1 : (connections.passed?.length ?? 0),
        });
        const launch: Omit<Launch, 'descriptors' | 'connections'> = {
          ...line,
          environment: {},
          input: job.input ?? '',
          limits,
          checkLimits: group?.checkLimits ?? treeLimitCheck(limits),
          areEnforced: group !== null,
          lastProcess: firstInside,
        };
        const inherited = {
          options: Buffer.from(options.map((option) => `${option}\0`).join('')),
          ...(filter ? { filter } : {}),
        };
        return await withFiles(stage, inherited, (descriptors) =>
          supervise({ ...launch, descriptors, connections }, signal),
        );
      } finally {
        await group?.remove();
        stage.remove();
      }
    },
  };
}

/** The number of the namespace's first process, seen from outside. When it ends, the kernel has ended all others. */
function firstInside(status: string): number | null {
  const found = /"child-pid": (\d+)/.exec(status);
  return found ? Number(found[1]) : null;
}

/** Opens files that bubblewrap inherits and reads to their end, in the order of their descriptors. */
async function withFiles<T>(
  stage: Stage,
  contents: Readonly<Record<string, Buffer>>,
  work: (descriptors: readonly number[]) => Promise<T>,
): Promise<T> {
  const files: FileHandle[] = [];
  try {
    for (const [name, content] of Object.entries(contents)) {
      const location = path.join(stage.folder, name);
      writeFileSync(location, content);
      files.push(await open(location));
    }
    return await work(files.map(({ fd }) => fd));
  } finally {
    for (const file of files) await file.close();
  }
}

interface LaunchContext {
  readonly programs: BubblewrapPrograms;
  readonly stage: Stage;
  readonly user: number | null;
  readonly group: RunGroup | null;
  readonly filtered: boolean;
  /** Number of descriptors from `firstConnection` on that the command gets. */
  readonly connected: number;
}

async function commandLine(job: SandboxJob, limits: SandboxLimits, context: LaunchContext) {
  const { programs, stage, user, group, filtered, connected } = context;
  const shown = (job.shown ?? []).filter(({ host, inside }) => inside !== null || !isSystemPath(host));
  if (job.copied !== undefined) shown.push({ host: job.copied, inside: 'snapshot' });
  const { sources, table } = user === null ? bindDirectly(shown) : mountedFor(user, shown, stage);
  const supplied = [
    ...Object.entries(syntheticFiles).map(([inside, content]) => ({ inside, content })),
    ...(job.files ?? []),
  ];
  const locations = stage.write(supplied);
  const options = [
    ...['--unshare-all', '--unshare-user', '--disable-userns', '--die-with-parent', '--new-session'],
    ...['--uid', String(nobody), '--gid', String(nobody)],
    ...['--json-status-fd', String(statusDescriptor)],
    ...['--cap-drop', 'ALL', '--hostname', 'sandbox', '--clearenv'],
    ...(filtered ? ['--seccomp', String(filterDescriptor)] : []),
    ...systemFolders.flatMap(systemFolder),
    ...systemFiles.flatMap((file) => ['--ro-bind-try', file, file]),
    // Without /proc, a process cannot read its own memory or descriptors as files.
    ...(job.isSolitary ? [] : ['--proc', '/proc']),
    ...['--dev', '/dev'],
    ...['/dev/shm', '/tmp', '/work'].flatMap((folder) => [
      ...['--size', String(limits.scratchMiB * mebibyte)],
      ...['--tmpfs', folder],
    ]),
    ...shown.flatMap(({ inside }, index) => ['--ro-bind', sources[index] as string, pathInside(inside, shown[index]!)]),
    ...supplied.flatMap(({ inside }) => ['--ro-bind', locations.get(inside) as string, within('/', inside)]),
    // The / and /dev that bubblewrap creates are also in memory, without a size limit.
    ...['--remount-ro', '/dev', '--remount-ro', '/', '--chdir', '/work'],
    ...Object.entries({
      PATH: '/usr/local/bin:/usr/bin:/bin',
      HOME: '/tmp',
      TMPDIR: '/tmp',
      ...job.environment,
    }).flatMap(([name, value]) => ['--setenv', name, value]),
  ];
  // The options name folders of this machine. The first process inside is bubblewrap, and every process can read its
  // command line, so the options are passed in a file.
  const args = [
    ...['--args', String(optionsDescriptor), '--'],
    programs.prlimit,
    ...processLimits(limits),
    ...(job.copied === undefined ? [] : ['/bin/sh', '-c', 'cp -R /snapshot/. . && exec "$@"', 'sh']),
    ...job.command,
  ];
  const [program, ...rest] = [
    ...closeDescriptors(inheritableDescriptors().filter((descriptor) => descriptor >= firstConnection + connected)),
    ...launcher({ table, user, entries: group?.entries ?? [] }, programs),
    programs.bwrap,
    ...args,
  ] as [string, ...string[]];
  return { program, args: rest, options, cwd: '/' };
}

function processLimits(limits: SandboxLimits): string[] {
  const { cpuSeconds, memoryMiB, processes, openFiles, fileMiB } = limits;
  return [
    `--cpu=${cpuSeconds}:${cpuSeconds + 1}`,
    // A JavaScript engine reserves address space that it never uses (a gigabyte per worker thread), which counts as
    // well.
    `--data=${4 * memoryMiB * mebibyte}`,
    `--fsize=${fileMiB * mebibyte}`,
    `--nofile=${openFiles}`,
    '--core=0',
    ...(countsProcessesInside() ? [`--nproc=${processes}`] : []),
  ];
}

/**
 * Whether the kernel counts a user's processes by namespace (Linux 5.14). Before that, processes outside counted too.
 */
export function countsProcessesInside(release: string = osRelease()): boolean {
  const [major = 0, minor = 0] = release.split('.').map(Number);
  return major > 5 || (major === 5 && minor >= 14);
}

/** The arguments for a system folder: a link, or a read-only bind mount. */
function systemFolder(folder: string): string[] {
  if (!existsSync(folder)) return [];
  if (lstatSync(folder).isSymbolicLink()) return ['--symlink', readlinkSync(folder), folder];
  return ['--ro-bind', folder, folder];
}

const isSystemPath = (host: string): boolean =>
  systemFolders.some((folder) => host === folder || host.startsWith(`${folder}/`));

const pathInside = (inside: string | null, { host }: ShownPath): string =>
  inside === null ? host : within('/', inside);

interface Sources {
  /** The location of each shown path, as bubblewrap sees it. */
  readonly sources: readonly string[];
  /** An fstab of bind mounts to make first; null: none. */
  readonly table: string | null;
}

const bindDirectly = (shown: readonly ShownPath[]): Sources => ({
  sources: shown.map(({ host }) => host),
  table: null,
});

/**
 * Root can read paths that nobody cannot, such as a workspace below /root. So root mounts the shown paths where
 * nobody can read them, in a mount namespace that ends with the run, and then drops to nobody.
 */
function mountedFor(user: number, shown: readonly ShownPath[], stage: Stage): Sources {
  if (shown.length === 0) return { sources: [], table: null };
  const sources = shown.map(({ host }, index) => {
    const location = path.join(stage.folder, `shown-${index}`);
    if (statSync(host).isDirectory()) makeFolder(location, user);
    else writeFileSync(location, '');
    return location;
  });
  const table = path.join(stage.folder, 'mounts');
  const line = (...fields: readonly string[]) => `${fields.map(escapeForFstab).join(' ')} none bind 0 0\n`;
  writeFileSync(table, shown.map(({ host }, index) => line(host, sources[index] as string)).join(''));
  return { sources, table };
}

/** Escapes a path for an fstab: blanks, line ends, backslashes and # as octal numbers. */
const escapeForFstab = (field: string): string =>
  field.replace(/[ \t\n\\#]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, '0')}`);

interface Preparation {
  readonly table: string | null;
  readonly user: number | null;
  /** The files of the control groups that the run enters. */
  readonly entries: readonly string[];
}

/**
 * The command prefix before bubblewrap: one shell that mounts the table in a new namespace and enters the control
 * groups, and then the change to another user. Few programs are used because starting one costs a run a millisecond
 * or more.
 */
function launcher({ table, user, entries }: Preparation, { unshare, setpriv }: BubblewrapPrograms): string[] {
  const drop = user === null ? [] : [setpriv, `--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--no-new-privs'];
  const apart = table === null ? [] : [unshare, '--mount', '--propagation', 'private'];
  if (table === null && entries.length === 0) return drop;
  const script = [
    ...(table === null ? [] : ['mount --all --fstab "$1" || exit 125', 'shift']),
    'while [ "$1" != -- ]; do echo $$ >"$1" || exit 125; shift; done',
    'shift',
    // The shell exports its working folder, which is a folder of this machine.
    'unset PWD OLDPWD SHLVL _',
    'exec "$@"',
  ];
  const supplied = [...(table === null ? [] : [table]), ...entries, '--'];
  return [...apart, '/bin/sh', '-c', script.join('; '), 'sh', ...supplied, ...drop];
}

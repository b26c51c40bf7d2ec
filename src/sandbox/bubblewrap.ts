/**
 * The sandbox on Linux: bubblewrap, in namespaces of its own. The system is seen read-only, and of the machine's files
 * nothing else but what a job shows; there is no network but an own loopback; what is written goes to memory-backed
 * folders of limited size that vanish with the run. docs/security.md has every property, and what is not covered.
 */
import { existsSync, lstatSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { release as osRelease } from 'node:os';
import path from 'node:path';
import type { SandboxFinding } from '../protocol/devices.ts';
import type { ControlGroups, RunGroup } from './control-groups.ts';
import { inheritableDescriptors, without } from './descriptors.ts';
import { defaultLimits, mebibyte, type SandboxLimits } from './limits.ts';
import type { Sandbox, SandboxJob, ShownPath } from './sandbox.ts';
import { seccompFilter } from './seccomp.ts';
import { makeFolder, openStage, type Stage, within } from './stage.ts';
import { type Launch, lookAtTree, supervise } from './supervise.ts';

/** Who runs the job where we are root: `nobody`, for limits on processes do not bind root. */
const nobody = 65534;

/** Folders of the system that programs need; they are links into /usr on most systems of today. */
const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/nix/store'];
/** Of /etc, what finds libraries, time zones and Java; nothing that tells who uses the machine. */
const systemFiles = ['/etc/ld.so.cache', '/etc/alternatives', '/etc/localtime'];

/** Files that programs look for, without anything in them about this machine. */
const madeUp = {
  'etc/passwd': 'sandbox:x:65534:65534:sandbox:/tmp:/bin/sh\n',
  'etc/group': 'sandbox:x:65534:\n',
  'etc/hosts': '127.0.0.1 localhost\n::1 localhost\n',
};

/** Beside the standard ones and the report on 3: where bubblewrap says what it started, and finds its filter. */
const statusDescriptor = 4;
const filterDescriptor = 5;

export interface BubblewrapPrograms {
  readonly bwrap: string;
  readonly prlimit: string;
  /** For root: `unshare` and `setpriv`, with which it shows what only root can reach and then drops to nobody. */
  readonly unshare: string;
  readonly setpriv: string;
}

/** `groups`: what counts memory and processes in the kernel; null: they are looked at while a run goes on. */
export function bubblewrap(
  programs: BubblewrapPrograms,
  groups: ControlGroups | null,
  finding: SandboxFinding,
): Sandbox {
  const user = process.getuid?.() === 0 ? nobody : null;
  const filter = seccompFilter();
  return {
    finding,
    async run(job, signal) {
      const limits = { ...defaultLimits, ...job.limits };
      const stage = openStage(user);
      let group: RunGroup | null = null;
      try {
        group = (await groups?.open(limits)) ?? null;
        const line = await commandLine(job, limits, { programs, stage, user, group, filtered: filter !== null });
        const launch: Omit<Launch, 'descriptors'> = {
          ...line,
          environment: {},
          input: job.input ?? '',
          limits,
          look: group?.look ?? lookAtTree(limits),
          lastProcess: firstInside,
        };
        if (!filter) return await supervise({ ...launch, descriptors: [] }, signal);
        return await withFilter(stage, filter, (own) => supervise({ ...launch, descriptors: [own] }, signal));
      } finally {
        await group?.remove();
        stage.remove();
      }
    },
  };
}

/** The first process of the new namespace, by its number outside: the kernel ends all the others before it. */
function firstInside(status: string): number | null {
  const found = /"child-pid": (\d+)/.exec(status);
  return found ? Number(found[1]) : null;
}

/** Bubblewrap reads the filter to its end, so every run opens it anew. */
async function withFilter<T>(stage: Stage, filter: Buffer, work: (descriptor: number) => Promise<T>): Promise<T> {
  const place = path.join(stage.folder, 'filter');
  writeFileSync(place, filter);
  const file = await open(place);
  try {
    return await work(file.fd);
  } finally {
    await file.close();
  }
}

interface Surroundings {
  readonly programs: BubblewrapPrograms;
  readonly stage: Stage;
  readonly user: number | null;
  readonly group: RunGroup | null;
  readonly filtered: boolean;
}

async function commandLine(job: SandboxJob, limits: SandboxLimits, surroundings: Surroundings) {
  const { programs, stage, user, group, filtered } = surroundings;
  const shown = (job.shown ?? []).filter(({ host, inside }) => inside !== null || !isOfSystem(host));
  if (job.copied !== undefined) shown.push({ host: job.copied, inside: 'snapshot' });
  const { sources, table } = user === null ? asIs(shown) : mountedFor(user, shown, stage);
  const given = [...Object.entries(madeUp).map(([inside, content]) => ({ inside, content })), ...(job.files ?? [])];
  const places = stage.write(given);
  const args = [
    ...['--unshare-all', '--unshare-user', '--disable-userns', '--die-with-parent', '--new-session'],
    ...['--uid', String(nobody), '--gid', String(nobody)],
    ...['--json-status-fd', String(statusDescriptor)],
    ...['--cap-drop', 'ALL', '--hostname', 'sandbox', '--clearenv'],
    ...(filtered ? ['--seccomp', String(filterDescriptor)] : []),
    ...systemFolders.flatMap(systemFolder),
    ...systemFiles.flatMap((file) => ['--ro-bind-try', file, file]),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...['/dev/shm', '/tmp', '/work'].flatMap((folder) => [
      ...['--size', String(limits.scratchMiB * mebibyte)],
      ...['--tmpfs', folder],
    ]),
    ...shown.flatMap(({ inside }, index) => [
      '--ro-bind',
      sources[index] as string,
      placeInside(inside, shown[index]!),
    ]),
    ...given.flatMap(({ inside }) => ['--ro-bind', places.get(inside) as string, within('/', inside)]),
    // What bubblewrap made of / and /dev lies in memory too, without a limit.
    ...['--remount-ro', '/dev', '--remount-ro', '/', '--chdir', '/work'],
    ...Object.entries({
      PATH: '/usr/local/bin:/usr/bin:/bin',
      HOME: '/tmp',
      TMPDIR: '/tmp',
      ...job.environment,
    }).flatMap(([name, value]) => ['--setenv', name, value]),
    '--',
    programs.prlimit,
    ...processLimits(limits),
    ...(job.copied === undefined ? [] : ['/bin/sh', '-c', 'cp -R /snapshot/. . && exec "$@"', 'sh']),
    ...job.command,
  ];
  const [program, ...rest] = [
    ...without(inheritableDescriptors().filter((descriptor) => descriptor > filterDescriptor)),
    ...before({ table, user, entries: group?.entries ?? [] }, programs),
    programs.bwrap,
    ...args,
  ] as [string, ...string[]];
  return { program, args: rest };
}

function processLimits(limits: SandboxLimits): string[] {
  const { cpuSeconds, memoryMiB, processes, openFiles, fileMiB } = limits;
  return [
    `--cpu=${cpuSeconds}:${cpuSeconds + 1}`,
    // A JavaScript engine reserves address space that it never fills, a gigabyte for a worker thread, which counts as well.
    `--data=${4 * memoryMiB * mebibyte}`,
    `--fsize=${fileMiB * mebibyte}`,
    `--nofile=${openFiles}`,
    '--core=0',
    ...(countsProcessesInside() ? [`--nproc=${processes}`] : []),
  ];
}

/** Whether the kernel counts a user's processes by namespace (Linux 5.14): before, those outside counted too. */
export function countsProcessesInside(release: string = osRelease()): boolean {
  const [major = 0, minor = 0] = release.split('.').map(Number);
  return major > 5 || (major === 5 && minor >= 14);
}

/** A system folder as it is: a link, or bound read-only. */
function systemFolder(folder: string): string[] {
  if (!existsSync(folder)) return [];
  if (lstatSync(folder).isSymbolicLink()) return ['--symlink', readlinkSync(folder), folder];
  return ['--ro-bind', folder, folder];
}

const isOfSystem = (host: string): boolean =>
  systemFolders.some((folder) => host === folder || host.startsWith(`${folder}/`));

const placeInside = (inside: string | null, { host }: ShownPath): string =>
  inside === null ? host : within('/', inside);

interface Sources {
  /** Where bubblewrap finds each path that is shown. */
  readonly sources: readonly string[];
  /** A table of what must be mounted there first; null: nothing. */
  readonly table: string | null;
}

const asIs = (shown: readonly ShownPath[]): Sources => ({ sources: shown.map(({ host }) => host), table: null });

/**
 * Root can reach what nobody cannot, such as a workspace below /root. So root mounts what is shown where nobody finds it,
 * in a mount namespace of its own that ends with the run, and only then drops to nobody.
 */
function mountedFor(user: number, shown: readonly ShownPath[], stage: Stage): Sources {
  if (shown.length === 0) return { sources: [], table: null };
  const sources = shown.map(({ host }, index) => {
    const place = path.join(stage.folder, `shown-${index}`);
    if (statSync(host).isDirectory()) makeFolder(place, user);
    else writeFileSync(place, '');
    return place;
  });
  const table = path.join(stage.folder, 'mounts');
  const line = (...fields: readonly string[]) => `${fields.map(inTable).join(' ')} none bind 0 0\n`;
  writeFileSync(table, shown.map(({ host }, index) => line(host, sources[index] as string)).join(''));
  return { sources, table };
}

/** A path as a table of mounts has it: blanks, line ends, backslashes and # by their octal numbers. */
const inTable = (field: string): string =>
  field.replace(/[ \t\n\\#]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, '0')}`);

interface Preparation {
  readonly table: string | null;
  readonly user: number | null;
  /** Of the control groups that count the run. */
  readonly entries: readonly string[];
}

/**
 * What stands before bubblewrap: one shell that mounts what a table says in a namespace of its own and enters the control
 * groups, and then the drop to another user. Few programs: each that is started costs a run a millisecond or more.
 */
function before({ table, user, entries }: Preparation, { unshare, setpriv }: BubblewrapPrograms): string[] {
  const drop = user === null ? [] : [setpriv, `--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--no-new-privs'];
  const apart = table === null ? [] : [unshare, '--mount', '--propagation', 'private'];
  if (table === null && entries.length === 0) return drop;
  const script = [
    ...(table === null ? [] : ['mount --all --fstab "$1" || exit 125', 'shift']),
    'while [ "$1" != -- ]; do echo $$ >"$1" || exit 125; shift; done',
    'shift',
    'exec "$@"',
  ];
  const given = [...(table === null ? [] : [table]), ...entries, '--'];
  return [...apart, '/bin/sh', '-c', script.join('; '), 'sh', ...given, ...drop];
}

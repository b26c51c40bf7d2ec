import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { messageOf, UserError } from '../platform/errors.ts';
import type { SandboxFinding } from '../protocol/devices.ts';
import { bubblewrap, countsProcessesInside } from './bubblewrap.ts';
import { findControlGroups } from './control-groups.ts';
import { findProgram } from './programs.ts';
import type { Sandbox, SandboxRun } from './sandbox.ts';
import { seatbelt } from './seatbelt.ts';
import { seccompFilter } from './seccomp.ts';

const elsewhere = 'or use a dev container or a remote host that runs Linux with user namespaces (see docs/security.md)';

let opened: Promise<Sandbox> | undefined;

/**
 * The sandbox of this machine, tested once. Throws a `UserError` that says why there is none and how to fix that:
 * code that a model wrote never runs without a sandbox.
 */
export function openSandbox(): Promise<Sandbox> {
  opened ??= probeSandbox(process.platform);
  // A failure is not cached, so that the user does not have to restart after fixing it.
  opened.catch(() => {
    opened = undefined;
  });
  return opened;
}

/** The finding that `unmask devices` prints. */
export async function findSandbox(): Promise<SandboxFinding> {
  try {
    return (await openSandbox()).finding;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { available: false, kind: null, limits: [], reason: error.message };
  }
}

/** `openSandbox` without the cache, for a platform by Node's name. `grouped`: whether control groups may be used. */
export async function probeSandbox(platform: string, grouped = true): Promise<Sandbox> {
  if (platform === 'linux') return linuxSandbox(grouped);
  if (platform === 'darwin') return tested(macSandbox());
  throw new UserError(
    `Code written by a model cannot run on ${platform === 'win32' ? 'Windows' : platform}, because there is no sandbox for it; open the folder in WSL 2, in a dev container or on a remote host with Linux.`,
  );
}

/** Returns the sandbox after a first command ran in it correctly. */
async function tested(sandbox: Sandbox): Promise<Sandbox> {
  const run = await sandbox.run({
    command: [
      '/bin/sh',
      '-c',
      'test ! -w / && echo "$1" >scratch && read -r line <scratch && echo "$line"',
      'sh',
      'in order',
    ],
  });
  if (run.code === 0 && run.stdout === 'in order\n') return sandbox;
  throw new UserError(`The sandbox (${sandbox.finding.kind}) does not work here: ${failureReason(run)}.`);
}

async function linuxSandbox(grouped: boolean): Promise<Sandbox> {
  const programs = {
    bwrap: requireProgram('bwrap', 'bubblewrap'),
    prlimit: requireProgram('prlimit', 'util-linux'),
    unshare: requireProgram('unshare', 'util-linux'),
    setpriv: requireProgram('setpriv', 'util-linux'),
  };
  const { stdout } = await promisify(execFile)(programs.bwrap, ['--version']).catch((error: unknown) => {
    throw new UserError(`bubblewrap does not start (${messageOf(error)}); reinstall it.`);
  });
  const version = /(\d+)\.(\d+)/.exec(stdout);
  if (version && Number(version[1]) === 0 && Number(version[2]) < 8)
    throw new UserError(
      `${stdout.trim()} is too old to run code written by a model; install 0.8 or newer (Debian 12, Ubuntu 24.04), ${elsewhere}.`,
    );
  const groups = grouped ? await findControlGroups() : null;
  const inGroups =
    groups === null ? null : await tested(bubblewrap(programs, groups, finding(true))).catch(nullForUserError);
  return inGroups ?? tested(bubblewrap(programs, null, finding(false)));
}

/** Groups that can be created but not entered are of no use. */
function nullForUserError(error: unknown): null {
  if (error instanceof UserError) return null;
  throw error;
}

function finding(inGroups: boolean): SandboxFinding {
  const limits = [
    'no network',
    'read-only system',
    inGroups ? 'memory' : 'memory (watched)',
    inGroups || countsProcessesInside() ? 'processes' : 'processes (watched)',
    'CPU time',
    'wall time',
    'file size',
    'scratch size',
    'open files',
    'output',
    ...(seccompFilter() ? ['system calls'] : []),
  ];
  return { available: true, kind: 'bubblewrap', limits, reason: null };
}

function requireProgram(name: string, debian: string): string {
  const found = findProgram(name);
  if (found !== null) return found;
  throw new UserError(
    `Code written by a model runs only in a sandbox, which needs ${name}; install it (Debian and Ubuntu: apt-get install ${debian}; Fedora: dnf install ${debian}), ${elsewhere}.`,
  );
}

function macSandbox(): Sandbox {
  const limits = [
    'no network',
    'one process',
    'memory (watched)',
    'CPU time',
    'wall time',
    'file size',
    'open files',
    'output',
  ];
  return seatbelt('/usr/bin/sandbox-exec', { available: true, kind: 'seatbelt', limits, reason: null });
}

/** The cause and the remedy for common problems, from the kernel's settings; otherwise the program's error message. */
export function failureReason({ stderr, broken, code, signal }: SandboxRun): string {
  const setting = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').trim() : null);
  if (/namespace|uid map|Operation not permitted|Permission denied/.test(stderr)) {
    if (setting('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1')
      return `AppArmor keeps bubblewrap from making a user namespace, as Ubuntu does since 23.10; add the profile in docs/security.md, ${elsewhere}`;
    if (setting('/proc/sys/kernel/unprivileged_userns_clone') === '0')
      return `user namespaces are disabled; enable them (sysctl kernel.unprivileged_userns_clone=1), ${elsewhere}`;
    if (setting('/proc/sys/user/max_user_namespaces') === '0')
      return `user namespaces are disabled; enable them (sysctl user.max_user_namespaces=15000), ${elsewhere}`;
    if (existsSync('/.dockerenv') || existsSync('/run/.containerenv'))
      return `this container cannot create namespaces (${firstLine(stderr)}); start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined, or with a seccomp profile that allows unshare`;
  }
  const cause =
    firstLine(stderr) ||
    (broken ? `it exceeded the limit on ${broken}` : `it ended with ${signal ?? `exit code ${code}`}`);
  return `${cause}; fix that, ${elsewhere}`;
}

const firstLine = (text: string): string => text.trim().split('\n', 1)[0] as string;

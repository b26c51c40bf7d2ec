/**
 * The sandbox on macOS: Seatbelt, via `sandbox-exec`. The profile allows reading the system and the shown files, and
 * writing in a temporary folder. It denies everything else, including the network and a second process, so nothing
 * outlives a run. macOS has no namespaces: shown paths are linked into the run's folder, and only the size of each
 * written file is limited. Written from Apple's sandbox-exec(1) and the system's own profiles. We have not run it so
 * far, as `docs/security.md` says.
 */
import { chmod, cp, mkdir, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { SandboxFinding } from '../protocol/devices.ts';
import { defaultLimits, type SandboxLimits } from './limits.ts';
import type { Sandbox, SandboxJob } from './sandbox.ts';
import { openStage, within } from './stage.ts';
import { supervise, treeLimitCheck } from './supervise.ts';

export function seatbelt(sandboxExec: string, finding: SandboxFinding): Sandbox {
  return {
    finding,
    async run(job, signal) {
      const limits = { ...defaultLimits, ...job.limits };
      const stage = openStage(null);
      try {
        // Profiles match real paths, and /tmp is a link.
        const root = await realpath(stage.folder);
        await layOutFolder(root, job);
        const shown = await Promise.all((job.shown ?? []).map(({ host }) => realpath(host)));
        const [program] = job.command as [string, ...string[]];
        const readable = [...shown, await realpath(program)];
        return await supervise(
          {
            program: sandboxExec,
            args: ['-p', seatbeltProfile(root, readable), '/bin/sh', '-c', limited(limits), 'sh', ...job.command],
            cwd: path.join(root, 'work'),
            environment: {
              PATH: '/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin',
              HOME: path.join(root, 'tmp'),
              TMPDIR: path.join(root, 'tmp'),
              ...job.environment,
            },
            input: job.input ?? '',
            descriptors: [],
            checkLimits: treeLimitCheck(limits),
            limits,
          },
          signal,
        );
      } finally {
        stage.remove();
      }
    },
  };
}

/** Creates a run's folder: `work` with the copied files, links to the shown paths, the job's files, and `tmp`. */
async function layOutFolder(root: string, { copied, shown = [], files = [] }: SandboxJob): Promise<void> {
  await mkdir(path.join(root, 'tmp'));
  if (copied === undefined) await mkdir(path.join(root, 'work'));
  else await cp(copied, path.join(root, 'work'), { recursive: true, verbatimSymlinks: true });
  for (const { host, inside } of shown) {
    if (inside === null) continue;
    const location = within(root, inside);
    await mkdir(path.dirname(location), { recursive: true });
    await symlink(host, location);
  }
  for (const { inside, content } of files) {
    // A path over a file of the snapshot replaces it in the copy.
    const location = within(root, inside.replace(/^snapshot\//, 'work/'));
    await mkdir(path.dirname(location), { recursive: true });
    await rm(location, { force: true });
    await writeFile(location, content);
    await chmod(location, 0o444);
  }
}

/** The profile of a run. Everything is denied unless a rule allows it; the last matching rule applies. */
export function seatbeltProfile(root: string, readable: readonly string[]): string {
  const subpaths = (paths: readonly string[]) => paths.map((one) => `(subpath ${quoted(one)})`).join(' ');
  const system = ['/usr', '/bin', '/sbin', '/System', '/Library', '/opt/homebrew', '/private/var/db/dyld'];
  return [
    '(version 1)',
    '(deny default)',
    '(allow process-exec*)',
    '(deny process-fork)',
    '(allow signal (target self))',
    '(allow sysctl-read)',
    '(allow mach-lookup (global-name "com.apple.system.notification_center"))',
    // Names and sizes of files may be read; their content may not.
    '(allow file-read-metadata)',
    `(allow file-read* (literal "/") ${subpaths([...system, ...readable, root])})`,
    '(allow file-read* (literal "/dev/null") (literal "/dev/zero") (literal "/dev/random") (literal "/dev/urandom"))',
    '(allow file-write-data (literal "/dev/null"))',
    `(allow file-write* ${subpaths([path.join(root, 'work'), path.join(root, 'tmp')])})`,
    '(deny network*)',
  ].join('\n');
}

const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;

/**
 * The limits that a shell sets for itself and its children. Memory is left to the watchdog, because macOS ignores
 * `-v`.
 */
function limited({ cpuSeconds, openFiles, fileMiB }: SandboxLimits): string {
  return `ulimit -t ${cpuSeconds} -n ${openFiles} && ulimit -f ${fileMiB * 2048} -c 0 && exec "$@"`;
}

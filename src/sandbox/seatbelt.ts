/**
 * The sandbox on macOS: Seatbelt, by `sandbox-exec`. A profile denies everything but reading the system and what a job
 * shows, and writing in a temporary folder; no network, and no second process, so that nothing can outlive a run. There
 * are no namespaces there: what is shown is linked into the run's folder, and files that it writes count against the
 * disk up to the limit of one file each. Written after Apple's sandbox-exec(1) and the system's own profiles; it has not
 * been run by us so far, which `docs/security.md` says too.
 */
import { chmod, cp, mkdir, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { SandboxFinding } from '../protocol/devices.ts';
import { defaultLimits, type SandboxLimits } from './limits.ts';
import type { Sandbox, SandboxJob } from './sandbox.ts';
import { openStage, within } from './stage.ts';
import { lookAtTree, supervise } from './supervise.ts';

export function seatbelt(sandboxExec: string, finding: SandboxFinding): Sandbox {
  return {
    finding,
    async run(job, signal) {
      const limits = { ...defaultLimits, ...job.limits };
      const stage = openStage(null);
      try {
        // Profiles see a path as it is behind its links, and /tmp is one.
        const root = await realpath(stage.folder);
        await furnish(root, job);
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
            look: lookAtTree(limits),
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

/** Lays out a run's folder: `work` with the copy, links to what is shown, the given files, `tmp`. */
async function furnish(root: string, { copied, shown = [], files = [] }: SandboxJob): Promise<void> {
  await mkdir(path.join(root, 'tmp'));
  if (copied === undefined) await mkdir(path.join(root, 'work'));
  else await cp(copied, path.join(root, 'work'), { recursive: true, verbatimSymlinks: true });
  for (const { host, inside } of shown) {
    if (inside === null) continue;
    const place = within(root, inside);
    await mkdir(path.dirname(place), { recursive: true });
    await symlink(host, place);
  }
  for (const { inside, content } of files) {
    // What stands over a file of the copied folder stands over its copy.
    const place = within(root, inside.replace(/^snapshot\//, 'work/'));
    await mkdir(path.dirname(place), { recursive: true });
    await rm(place, { force: true });
    await writeFile(place, content);
    await chmod(place, 0o444);
  }
}

/** The profile of a run: denied unless allowed; of later rules, the last that fits counts. */
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
    // Names and sizes of files are no secret that a run of tests could carry away; their content is.
    '(allow file-read-metadata)',
    `(allow file-read* (literal "/") ${subpaths([...system, ...readable, root])})`,
    '(allow file-read* (literal "/dev/null") (literal "/dev/zero") (literal "/dev/random") (literal "/dev/urandom"))',
    '(allow file-write-data (literal "/dev/null"))',
    `(allow file-write* ${subpaths([path.join(root, 'work'), path.join(root, 'tmp')])})`,
    '(deny network*)',
  ].join('\n');
}

const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;

/** The limits that a shell can set on itself and hands on; memory is left to the watchdog, for macOS does not keep `-v`. */
function limited({ cpuSeconds, openFiles, fileMiB }: SandboxLimits): string {
  return `ulimit -t ${cpuSeconds} -n ${openFiles} && ulimit -f ${fileMiB * 2048} -c 0 && exec "$@"`;
}

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Detects what a sandbox could leave behind: temporary files, mounts, control groups, and processes with the mark. */
export interface CleanMachine {
  readonly folder: string;
  /** Seconds for a `sleep` that no other process on this machine uses, so that its command line identifies it. */
  readonly mark: string;
  assertClean(): Promise<void>;
  leave(): Promise<void>;
}

/** A separate temporary folder for everything that a sandbox stages, until `leave`. */
export async function cleanMachine(): Promise<CleanMachine> {
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-attack-'));
  // If the tests run as root, the sandbox's user needs access.
  await chmod(folder, 0o711);
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  const mark = `${randomInt(10_000, 99_999)}.${randomInt(100_000, 999_999)}`;
  return {
    folder,
    mark,
    async assertClean() {
      // Libraries of the tests use the folder as well.
      const left = (await readdir(folder)).filter((name) => name.startsWith('unmask-'));
      assert.deepEqual(left, [], 'no temporary file is left');
      const mounts = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
      // Other mounts of this machine do not belong to the sandbox.
      assert.deepEqual(
        mounts.split('\n').filter((line) => line.includes(folder)),
        [],
        'no mount is left',
      );
      assert.deepEqual(await processesWith(mark), [], 'no process is left');
      assert.deepEqual(await ownGroups(), [], 'no control group is left');
    },
    async leave() {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
      await rm(folder, { recursive: true });
    },
  };
}

async function processesWith(mark: string): Promise<string[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(mark));
}

async function ownGroups(): Promise<string[]> {
  const groups = await readdir('/sys/fs/cgroup', { recursive: true }).catch(() => []);
  return groups.filter((name) => path.basename(name).startsWith(`unmask-${process.pid}-`));
}

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findControlGroups } from '../../src/sandbox/control-groups.ts';
import { defaultLimits, mebibyte } from '../../src/sandbox/limits.ts';
import { temporaryFolder } from '../training/tiny-runs.ts';

const skip = (await findControlGroups()) === null && 'this process may make no control groups';
let root: string;
before(async () => {
  root = await temporaryFolder();
});
after(() => rm(root, { recursive: true }));

/** Files with what the kernel reports about a process. */
async function writeProc(name: string, cgroup: string, mountinfo: string): Promise<string> {
  const folder = path.join(root, name);
  await mkdir(folder);
  await writeFile(path.join(folder, 'cgroup'), cgroup);
  await writeFile(path.join(folder, 'mountinfo'), mountinfo);
  return folder;
}

describe('control groups', () => {
  it('are not used if the kernel has none, or none is delegated to this user', async () => {
    assert.equal(await findControlGroups(path.join(root, 'nowhere')), null);
    const slice = path.join(root, 'closed', 'app.slice');
    await mkdir(path.join(slice, 'own.scope'), { recursive: true });
    await writeFile(path.join(slice, 'cgroup.procs'), '');
    const mounts = `30 20 0:26 / ${path.join(root, 'closed')} rw - cgroup2 cgroup2 rw\n`;
    const proc = await writeProc('closed-proc', '0::/app.slice/own.scope\n', mounts);
    await writeFile(path.join(slice, 'cgroup.subtree_control'), 'cpu pids\n');
    assert.equal(await findControlGroups(proc), null, 'memory is not counted in this group');
    await writeFile(path.join(slice, 'cgroup.subtree_control'), 'cpu memory pids\n');
    assert.equal(await findControlGroups(proc), null, 'a new group has no limits');
    assert.deepEqual((await readdir(slice)).sort(), ['cgroup.procs', 'cgroup.subtree_control', 'own.scope']);
  });

  it('of another mount are not confused with those of this process', async () => {
    const mounts = `30 20 0:26 /other ${path.join(root, 'closed')} rw - cgroup2 cgroup2 rw\n`;
    assert.equal(await findControlGroups(await writeProc('elsewhere', '0::/app.slice/own.scope\n', mounts)), null);
  });

  it('limit the resources of one run, and are removed with it', { skip }, async () => {
    const groups = (await findControlGroups())!;
    const group = await groups.open({ ...defaultLimits, memoryMiB: 100, scratchMiB: 10, processes: 7 });
    const folders = group.entries.map((file) => path.dirname(file));
    const limits = await Promise.all(
      folders.flatMap((folder) =>
        ['memory.max', 'memory.limit_in_bytes', 'pids.max'].map((file) =>
          readFile(path.join(folder, file), 'utf8').then(Number, () => null),
        ),
      ),
    );
    assert.deepEqual(
      limits.filter((limit) => limit !== null).sort((a, b) => a - b),
      [10, 130 * mebibyte],
    );
    assert.equal(await group.checkLimits(process.pid), null);
    await group.remove();
    for (const folder of folders) await assert.rejects(readdir(folder), { code: 'ENOENT' });
    // A process that outlives its run.
    const second = await groups.open(defaultLimits);
    const sleeper = spawn('sleep', ['600'], { stdio: 'ignore' });
    const ended = once(sleeper, 'exit');
    for (const entry of second.entries) await writeFile(entry, String(sleeper.pid));
    await second.remove();
    assert.deepEqual(await ended, [null, 'SIGKILL']);
    for (const entry of second.entries) await assert.rejects(readdir(path.dirname(entry)), { code: 'ENOENT' });
    // The group of a process that has ended.
    const leftover = path.join(path.dirname(folders[0]!), 'unmask-4194305-0');
    await mkdir(leftover);
    await findControlGroups();
    await assert.rejects(readdir(leftover), { code: 'ENOENT' });
  });
});

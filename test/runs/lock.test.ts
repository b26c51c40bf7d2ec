import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { hostname, uptime } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { UserError } from '../../src/platform/errors.ts';
import type { RunLock } from '../../src/protocol/run.ts';
import { requestControl } from '../../src/runs/control.ts';
import { createRunDirectory, deleteRun } from '../../src/runs/directory.ts';
import { acquireLock, assertNotInUse, lockHolder } from '../../src/runs/lock.ts';
import { startOfProcess } from '../../src/runs/process-life.ts';
import { listRuns, readEvents, readStatus, stepsOf } from '../../src/runs/reader.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { newRun, reward, temporaryFolder } from './example.ts';

const job = path.join(import.meta.dirname, 'job.ts');

/** Starts a job in a separate process and waits until it has its run directory. */
async function startJob(...args: string[]): Promise<{ child: ChildProcess; dir: string; ended: Promise<unknown[]> }> {
  const child = spawn(process.execPath, ['--import', 'tsx', job, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const [dir] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return { child, dir, ended };
}

/** The process id of a process that has just ended. */
async function deadProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid!;
}

async function writeLock(dir: string, lock: Partial<RunLock>): Promise<void> {
  const whole = { pid: process.pid, host: hostname(), startedAt: new Date().toISOString(), token: 'other', ...lock };
  await writeFile(path.join(dir, 'lock.json'), JSON.stringify(whole));
}

test('a run directory has one writer at a time', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  const lock = JSON.parse(await readFile(path.join(run.dir, 'lock.json'), 'utf8')) as RunLock;
  assert.equal(lock.pid, process.pid);
  assert.equal(lock.host, hostname());
  await assert.rejects(
    RunWriter.resume(run.dir, 0),
    (error) =>
      error instanceof UserError &&
      error.message.includes(`${run.dir} is in use by process ${process.pid} since`) &&
      error.message.endsWith('stop that run first.'),
  );
  assert.equal((await lockHolder(run.dir))?.token, lock.token);
  await run.close('finished');
  assert.equal(await lockHolder(run.dir), null);
  await assertNotInUse(run.dir);
});

test('exactly one of many processes acquires a lock, also if all of them find it stale', async () => {
  for (const stale of [false, true]) {
    const dir = await createRunDirectory(await temporaryFolder(), newRun);
    if (stale) await writeLock(dir, { pid: await deadProcess() });
    const takers = await Promise.allSettled(Array.from({ length: 20 }, () => acquireLock(dir)));
    const held = takers.flatMap((taker) => (taker.status === 'fulfilled' ? [taker.value] : []));
    assert.equal(held.length, 1);
    await held[0]!.assertHeld();
    await held[0]!.release();
    assert.deepEqual(await readdir(dir), ['run.json'], 'no other files remain');
  }
});

test('a takeover that was killed halfway does not block the next one', async () => {
  const dir = await createRunDirectory(await temporaryFolder(), newRun);
  const dead = await deadProcess();
  await writeLock(dir, { pid: dead });
  await copyFile(path.join(dir, 'lock.json'), path.join(dir, 'lock.json.takeover'));
  const held = await acquireLock(dir);
  assert.equal((await lockHolder(dir))?.token, held.lock.token);
  await held.release();
  assert.deepEqual(await readdir(dir), ['run.json']);
});

test('a process id that a later process reuses does not hold a lock', async (t) => {
  const dir = await createRunDirectory(await temporaryFolder(), newRun);
  await writeLock(dir, { pid: process.pid, token: 'of an earlier process with the same id' });
  assert.equal(await lockHolder(dir), null);
  const { child, ended } = await startJob('new', await temporaryFolder());
  t.after(() => child.kill('SIGKILL'));
  const start = await startOfProcess(child.pid!);
  if (start === null) return t.skip('this platform does not report when a process started');
  await writeLock(dir, { pid: child.pid!, processStart: start });
  await assert.rejects(acquireLock(dir), new RegExp(`process ${child.pid}`));
  await writeLock(dir, { pid: child.pid!, processStart: `${start}0` });
  await (await acquireLock(dir)).release();
  child.kill('SIGKILL');
  await ended;
});

test('if the start time of a process is unknown, a lock from before the last boot is stale', async (t) => {
  const dir = await createRunDirectory(await temporaryFolder(), newRun);
  const { child, ended } = await startJob('new', await temporaryFolder());
  t.after(() => child.kill('SIGKILL'));
  const boot = Date.now() - uptime() * 1000;
  const written = (time: number) => writeLock(dir, { pid: child.pid!, startedAt: new Date(time).toISOString() });
  await written(boot - 30_000);
  await assert.rejects(acquireLock(dir), /stop that run first, or remove .*lock\.json if it has ended\.$/);
  await written(boot - 90_000);
  assert.equal(await lockHolder(dir), null);
  await (await acquireLock(dir)).release();
  child.kill('SIGKILL');
  await ended;
});

test('a lock of another machine is respected, and the error says how to remove it', async () => {
  const dir = await createRunDirectory(await temporaryFolder(), newRun);
  await writeLock(dir, { host: 'elsewhere', pid: await deadProcess() });
  await assert.rejects(
    acquireLock(dir),
    /on elsewhere since .*; stop it there, or remove .*lock\.json if it has ended/,
  );
});

test('a broken lock is reported, and not treated as missing', async () => {
  const dir = await createRunDirectory(await temporaryFolder(), newRun);
  await writeFile(path.join(dir, 'lock.json'), '');
  await assert.rejects(acquireLock(dir), /lock\.json is not valid JSON .* remove it/);
});

test('a writer that lost its lock stops and does not touch the new one', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  await writeLock(run.dir, { token: 'thief' });
  await assert.rejects(run.request(), /Another process took over/);
  await writeFile(path.join(run.dir, 'status.json'), 'the status of the thief');
  await run.close('interrupted');
  assert.equal(await readFile(path.join(run.dir, 'status.json'), 'utf8'), 'the status of the thief');
  assert.equal(JSON.parse(await readFile(path.join(run.dir, 'lock.json'), 'utf8')).token, 'thief');
});

test('a killed job is reported as interrupted, and a resumed one records each step once', {
  timeout: 30_000,
}, async (t) => {
  const root = await temporaryFolder();
  const { child, dir, ended } = await startJob('new', root);
  t.after(() => child.kill('SIGKILL'));
  const reached = async (step: number) => {
    while (stepsOf(await readEvents(dir)).length < step) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  await reached(12);
  assert.equal((await listRuns(root))[0]?.state, 'running');
  await assert.rejects(deleteRun(dir), new RegExp(`in use by process ${child.pid}`));
  child.kill('SIGKILL');
  await ended;
  assert.equal((await readStatus(dir)).state, 'running', 'running as long as its heartbeat is recent');
  const status = JSON.parse(await readFile(path.join(dir, 'status.json'), 'utf8'));
  await writeFile(
    path.join(dir, 'status.json'),
    JSON.stringify({ ...status, heartbeat: new Date(Date.now() - 60_000).toISOString() }),
  );
  assert.equal((await readStatus(dir)).state, 'interrupted');
  // On a busy machine, the job may make more steps before it is killed.
  const total = stepsOf(await readEvents(dir)).length + 20;
  const again = await startJob('resume', dir, String(total));
  t.after(() => again.child.kill('SIGKILL'));
  const [code] = await again.ended;
  assert.equal(code, 0);
  const steps = stepsOf(await readEvents(dir));
  assert.deepEqual(
    steps.map((event) => [event.step, event.reward]),
    Array.from({ length: total }, (_, index) => [index + 1, reward(index + 1)]),
  );
  assert.deepEqual(
    (await listRuns(root)).map(({ run, state, step }) => [run, state, step]),
    [[path.basename(dir), 'finished', total]],
  );
});

test('another process can pause and stop a job', { timeout: 30_000 }, async (t) => {
  const { child, dir, ended } = await startJob('new', await temporaryFolder());
  t.after(() => child.kill('SIGKILL'));
  const until = async (state: string) => {
    while ((await readStatus(dir)).state !== state) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  await until('running');
  const id = await requestControl(dir, 'pause');
  await until('paused');
  assert.equal((await readStatus(dir)).control, id);
  const count = (await readEvents(dir)).length;
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal((await readEvents(dir)).length, count);
  await requestControl(dir, 'stop');
  const [code] = await ended;
  assert.equal(code, 130);
  assert.equal((await readStatus(dir)).state, 'interrupted');
});

test('only a run directory that is not in use can be deleted', async () => {
  const root = await temporaryFolder();
  const foreign = path.join(root, 'thesis');
  await mkdir(foreign);
  await writeFile(path.join(foreign, 'chapter.txt'), 'years of work');
  await assert.rejects(deleteRun(foreign), /run\.json does not exist; check that this is a run directory/);
  await writeFile(path.join(foreign, 'run.json'), '{"mine":true}');
  await assert.rejects(deleteRun(foreign), /run\.json is broken/);
  assert.equal(await readFile(path.join(foreign, 'chapter.txt'), 'utf8'), 'years of work');
  await assert.rejects(deleteRun(path.join(root, 'nothing')), /is not a folder; nothing was deleted/);
  const run = await RunWriter.create(root, newRun);
  await symlink(run.dir, path.join(root, 'link'));
  await assert.rejects(deleteRun(path.join(root, 'link')), /is not a folder/);
  await assert.rejects(deleteRun(run.dir), /in use/);
  await run.close('finished');
  await deleteRun(run.dir);
  assert.deepEqual((await readdir(root)).sort(), ['link', 'thesis']);
});

test('listRuns lists the newest run first, skips foreign folders and reports broken runs', async () => {
  const root = await temporaryFolder();
  assert.deepEqual(await listRuns(path.join(root, 'none')), []);
  const old = await RunWriter.create(root, newRun);
  await old.progress(5, 60);
  const recent = await RunWriter.create(root, { ...newRun, task: 'countdown', steps: null });
  await recent.close('failed', new UserError('the loss is NaN'));
  const broken = await RunWriter.create(root, newRun);
  await broken.close('finished');
  await writeFile(path.join(broken.dir, 'status.json'), '{');
  await mkdir(path.join(root, 'foreign'));
  await writeFile(path.join(root, 'file'), '');
  const runs = await listRuns(root);
  assert.deepEqual(
    runs.map(({ dir, state, step, steps, task }) => [dir, state, step, steps, task]),
    [
      [broken.dir, 'interrupted', 0, 100, 'sudoku4x4'],
      [recent.dir, 'failed', 0, null, 'countdown'],
      [old.dir, 'running', 5, 100, 'sudoku4x4'],
    ],
  );
  assert.match(runs[0]!.error!, /status\.json is not valid JSON/);
  assert.equal(runs[1]!.error, 'the loss is NaN');
  await old.close('finished');
});

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { it, mock } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { requestControl } from '../../src/runs/control.ts';
import { ControlWatch } from '../../src/runs/control-watch.ts';
import { startHeartbeat } from '../../src/runs/heartbeat.ts';
import { runFile } from '../../src/runs/layout.ts';
import { readStatus } from '../../src/runs/reader.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { newRun, temporaryFolder } from './example.ts';

const hour = 3_600_000;

/** A run that this process holds, with its heartbeat. */
async function liveRun() {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  await run.setState('running');
  const heartbeat = startHeartbeat(run.dir);
  const { heartbeat: file } = runFile(run.dir);
  for (let attempt = 0; attempt < 3_000 && !existsSync(file); attempt++) await delay(10);
  return { run, heartbeat, file };
}

it('a clock that jumps neither makes a living run look dead nor keeps it from reading requests', async () => {
  const { run, heartbeat } = await liveRun();
  try {
    for (const jump of [hour, -hour]) {
      mock.timers.enable({ apis: ['Date'], now: Date.now() + jump });
      const { state, silentSince, busySince } = await readStatus(run.dir);
      assert.deepEqual([state, silentSince, busySince], ['running', undefined, undefined], `a jump of ${jump} ms`);
      mock.timers.reset();
    }
    mock.timers.enable({ apis: ['Date'], now: Date.now() - hour });
    const watch = new ControlWatch(run);
    await requestControl(run.dir, 'stop');
    // The watch reads the request itself; a job that computes calls `look`.
    for (let attempt = 0; attempt < 1_000 && !watch.signal.aborted; attempt++) {
      watch.look();
      await delay(5);
    }
    assert.ok(watch.signal.aborted);
    await watch.end();
  } finally {
    mock.timers.reset();
    await heartbeat.stop();
    await run.close('interrupted');
  }
});

it('a run whose process is gone is interrupted, also if its last heartbeat is in the future', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  await run.setState('running');
  const { status } = runFile(run.dir);
  const written = JSON.parse(await readFile(status, 'utf8')) as object;
  await run.close('interrupted');
  await writeFile(status, JSON.stringify({ ...written, heartbeat: new Date(Date.now() + hour).toISOString() }));
  assert.equal((await readStatus(run.dir)).state, 'interrupted');
});

it('a process that stopped writing heartbeats counts as silent by the clock that does not jump', async () => {
  const { run, heartbeat, file } = await liveRun();
  await heartbeat.stop();
  const record = { time: new Date().toISOString(), pid: process.pid, busySince: null, cores: 0 };
  const monotonic = Number(process.hrtime.bigint() / 1_000_000n);
  await writeFile(file, JSON.stringify({ ...record, monotonic: monotonic - 60_000 }));
  assert.notEqual((await readStatus(run.dir)).silentSince, undefined);
  await writeFile(file, JSON.stringify({ ...record, time: new Date(Date.now() - hour).toISOString(), monotonic }));
  assert.equal((await readStatus(run.dir)).silentSince, undefined);
  await run.close('interrupted');
});

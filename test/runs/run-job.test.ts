import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../src/platform/errors.ts';
import { activityParts } from '../../src/protocol/activity.ts';
import type { LiveStatus } from '../../src/protocol/run.ts';
import { requestControl } from '../../src/runs/control.ts';
import { readStatus, summarizeRun } from '../../src/runs/reader.ts';
import { type Job, type RunningJob, readResumable, runJob } from '../../src/runs/run-job.ts';
import type { RunWriter } from '../../src/runs/writer.ts';
import { newRun, temporaryFolder } from './example.ts';

/** Runs `work` as a job in a new run directory. Returns its outcome and the resulting files. */
async function job<Result>(work: (job: RunningJob) => Promise<Result>, hooks: Job<Result>['hooks'] = {}) {
  const root = await temporaryFolder();
  let dir = '';
  let disposed = 0;
  const onStart = (run: RunWriter) => {
    dir = run.dir;
    hooks.onStart?.(run);
  };
  const dispose = async () => void disposed++;
  const location = { root, run: newRun };
  const outcome = await runJob({ location, hooks: { ...hooks, onStart }, work, dispose }).then(
    (result) => ({ result }),
    (error: Error) => ({ error }),
  );
  const log = await readFile(path.join(dir, 'log.txt'), 'utf8');
  return { ...outcome, dir, disposed, log, status: await readStatus(dir), files: (await readdir(dir)).sort() };
}

/** Waits until the signal aborts the work. */
const untilAborted = async ({ signal }: Pick<RunningJob, 'signal'>): Promise<never> => {
  await delay(60_000, undefined, { signal });
  throw new Error('the job was not stopped');
};

test('a job that finishes leaves its result, but no files of a running process', async () => {
  const ended = await job(async ({ run, warn }) => {
    await run.progress(2, null);
    await warn('the disk is nearly full');
    return { steps: 2 };
  });
  assert.ok('result' in ended && ended.result.steps === 2);
  assert.deepEqual([ended.status.state, ended.status.step, ended.status.activity], ['finished', 2, undefined]);
  assert.deepEqual(ended.files, ['events.jsonl', 'log.txt', 'result.json', 'run.json', 'status.json']);
  assert.match(ended.log, /Started: tune on onnx cpu[\s\S]*Warning: the disk is nearly full\n[\s\S]*Finished\.\n$/);
  assert.equal(ended.disposed, 1);
});

test('a job that fails records its error in the status and in the log', async () => {
  const failed = await job(async () => {
    throw new UserError('The weights are lost; resume from an earlier checkpoint.');
  });
  assert.deepEqual(
    [failed.status.state, failed.status.error],
    ['failed', 'The weights are lost; resume from an earlier checkpoint.'],
  );
  assert.match(failed.log, /Failed: The weights are lost; resume from an earlier checkpoint\.\n$/);
  assert.ok(!failed.files.includes('lock.json') && !failed.files.includes('heartbeat.json'));
  const defect = await job(async () => {
    throw new RangeError('index 7');
  });
  assert.match(
    defect.log,
    /Failed: RangeError: index 7\n +at .*run-job\.test\.ts/,
    'an unexpected error is logged with its stack',
  );
  assert.equal(defect.disposed, 1);
});

for (const how of ['a stop request', 'the signal of its command'] as const)
  test(`${how} stops a job while it works`, async (t) => {
    // Intervals use a mocked clock, so that the machine's load does not matter.
    t.mock.timers.enable({ apis: ['setInterval'] });
    const abort = new AbortController();
    const ended = await job(
      async (running) => {
        await running.run.progress(3, null);
        if (how === 'a stop request') await requestControl(running.run.dir, 'stop');
        else abort.abort();
        // A request must be read within two seconds; a signal needs no timer.
        if (how === 'a stop request') t.mock.timers.tick(2000);
        return untilAborted(running);
      },
      { signal: abort.signal },
    );
    assert.ok('error' in ended && ended.error.name === 'Interrupted');
    assert.equal(ended.error.message, `Stopped after step 3. To continue, run \`unmask tune --resume ${ended.dir}\`.`);
    assert.deepEqual(
      [ended.status.state, ended.status.error],
      ['interrupted', 'Stopped after step 3. Resume the run to continue.'],
    );
    assert.equal(ended.disposed, 1);
  });

test('work that blocks the event loop notices a stop request when it reports progress', async () => {
  const ended = await job(async ({ run, signal, reportProgress }) => {
    await requestControl(run.dir, 'stop');
    const end = performance.now() + 20_000;
    while (performance.now() < end) {
      reportProgress({ text: 'rollouts 0 of 1', counts: [], eta: null });
      signal.throwIfAborted();
    }
    throw new Error('the request was not noticed');
  });
  assert.ok('error' in ended && ended.error.name === 'Interrupted', JSON.stringify(ended));
});

test('a pause that waits for the end of a step is reported, and the job continues afterwards', async () => {
  const seen: string[] = [];
  let saved = 0;
  const ended = await job(async ({ run, reportProgress, betweenSteps }) => {
    await run.progress(0, null);
    reportProgress({ text: 'step 1: rollouts 1 of 4', counts: [{ name: 'rollouts', done: 1, total: 4 }], eta: 9 }, 30);
    const pause = await requestControl(run.dir, 'pause');
    let status: LiveStatus;
    do {
      await delay(20);
      status = await readStatus(run.dir);
    } while (status.control !== pause);
    seen.push(status.state, ...activityParts(await summarizeRun(run.dir)));
    assert.deepEqual([status.activity?.eta, status.eta], [9, 30]);
    const waiting = betweenSteps(async () => void saved++);
    while ((await readStatus(run.dir)).state !== 'paused') await delay(20);
    assert.deepEqual(activityParts(await summarizeRun(run.dir)), []);
    await requestControl(run.dir, 'run');
    await waiting;
    seen.push((await readStatus(run.dir)).state);
  });
  assert.ok('result' in ended, JSON.stringify(ended));
  assert.deepEqual(seen, ['running', 'step 1: rollouts 1 of 4', 'pausing after this step', 'running']);
  assert.equal(saved, 1);
});

test('a job whose directory was taken over by another process ends at once and does not touch its files', async () => {
  const ended = await job(async (running) => {
    const lock = path.join(running.run.dir, 'lock.json');
    const other = { ...JSON.parse(await readFile(lock, 'utf8')), token: 'another' };
    await writeFile(lock, JSON.stringify(other));
    return untilAborted(running);
  });
  assert.ok('error' in ended);
  assert.match(ended.error.message, /^Another process took over /);
  assert.ok(ended.files.includes('lock.json'));
});

test('a command resumes only runs of its own kind', async () => {
  const { dir } = await job(async () => ({}));
  assert.equal((await readResumable(dir, 'tune')).task, newRun.task);
  await assert.rejects(readResumable(dir, 'pretrain'), {
    name: 'UsageError',
    message: `${dir} is a run of kind tune; resume it with \`unmask tune --resume ${dir}\`.`,
  });
});

/** Starts a job in a separate process. */
async function spawnJob(...args: readonly string[]) {
  const script = fileURLToPath(new URL('blocking-job.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), script, await temporaryFolder(), ...args],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  return { child, exit, dir: line.trim() };
}

test('a process that computes for ten seconds keeps its heartbeat, and a dead process does not', async () => {
  const { child, exit, dir } = await spawnJob('block', '60');
  const begin = Date.now();
  const seen: LiveStatus[] = [];
  while (!seen.some(({ busySince }) => busySince !== undefined && Date.now() - Date.parse(busySince) > 10_000)) {
    assert.ok(
      Date.now() - begin < 50_000,
      `the process was never busy for ten seconds: ${JSON.stringify(seen.at(-1))}`,
    );
    seen.push(await readStatus(dir));
    await delay(250);
  }
  const last = seen.at(-1)!;
  assert.equal(last.state, 'running');
  const beats = [...new Set(seen.map(({ heartbeat }) => Date.parse(heartbeat)))];
  const gaps = beats.slice(1).map((beat, index) => beat - beats[index]!);
  assert.ok(beats.length >= 4 && Math.max(...gaps) < 8_000, `heartbeats ${gaps} ms apart`);
  assert.ok(last.cores! > 0.05, `the process computes: ${last.cores} cores`);
  const written = JSON.parse(await readFile(path.join(dir, 'status.json'), 'utf8'));
  assert.ok(Date.now() - Date.parse(written.heartbeat) > 8_000, 'the main thread writes nothing meanwhile');
  assert.match(activityParts(last).join(), /^in one computation for 1\d s$/);

  child.kill('SIGKILL');
  await exit;
  while ((await readStatus(dir)).state !== 'interrupted') {
    assert.ok(Date.now() - begin < 70_000, 'the run of a dead process is not reported as interrupted');
    await delay(100);
  }
});

test('a process can exit while its heartbeat thread runs', async () => {
  const { exit } = await spawnJob('exit', '0');
  assert.deepEqual(await exit, [7, null]);
});

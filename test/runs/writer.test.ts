import assert from 'node:assert/strict';
import { appendFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { UserError } from '../../src/platform/errors.ts';
import type { RunStatus } from '../../src/protocol/run.ts';
import { listCheckpoints } from '../../src/runs/checkpoints.ts';
import { requestControl } from '../../src/runs/control.ts';
import { createRunDirectory, findRun, readConfiguration } from '../../src/runs/directory.ts';
import {
  evaluationsOf,
  readEvents,
  readNewEvents,
  readSamples,
  readStatus,
  sampleSteps,
  stepsOf,
} from '../../src/runs/reader.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { newRun, temporaryFolder } from './example.ts';

const statusFile = async (dir: string) =>
  JSON.parse(await readFile(path.join(dir, 'status.json'), 'utf8')) as RunStatus;
const sample = {
  prompt: 'prompt',
  completion: '1\u2028"\n</script>',
  rewards: { total: 0.5, rules: 0.5 },
  advantage: -0.25,
  policyVersion: 3,
  seed: 11,
  tokens: [5, 6],
  revealedAt: [1, 0],
  confidence: [0.5, 0.25],
};

test('run directories created in the same millisecond get distinct names, which sort by age', async () => {
  const root = await temporaryFolder();
  const dirs = await Promise.all(Array.from({ length: 20 }, () => createRunDirectory(root, newRun)));
  assert.equal(new Set(dirs).size, 20);
  const later = await createRunDirectory(root, { ...newRun, task: 'Ünsafe/../task' });
  assert.deepEqual((await readdir(root)).sort().at(-1), path.basename(later));
  assert.match(path.basename(later), /^\d{8}-\d{6}-\d{3}-nsafe-task-spg-mixture$/);
  assert.equal(path.dirname(later), root);
  const { schema, name, createdAt, ...rest } = await readConfiguration(later);
  assert.equal(schema, 1);
  assert.equal(name, path.basename(later));
  assert.ok(Math.abs(Date.now() - Date.parse(createdAt)) < 60_000);
  assert.deepEqual(rest, { ...newRun, task: 'Ünsafe/../task' });
});

test('a run is read back as it was written', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  const step = { step: 1, time: 1.5, reward: 0.25, 'completions/mean_length': 16, 'time/rollout': 1e-9 };
  const evaluation = {
    step: 0,
    time: 1,
    evaluation: {
      task: 'sudoku4x4',
      split: 'validation',
      n: 4,
      metrics: { solved: { value: 0.5, low: 0.1, high: 0.9 } },
      measures: { eubo_elbo_gap: 0.1 },
      seconds: 2,
    },
  };
  await run.append(evaluation);
  await run.append(step);
  await run.samples(1, [sample, sample]);
  await run.samples(12, []);
  await run.log('one\ntwo');
  await run.result({ steps: 1 });
  await run.close('finished');
  const events = await readEvents(run.dir);
  assert.deepEqual(events, [evaluation, step]);
  assert.deepEqual(stepsOf(events), [step]);
  assert.deepEqual(evaluationsOf(events), [evaluation]);
  assert.deepEqual(await readSamples(run.dir, 1), [sample, sample]);
  assert.deepEqual(await sampleSteps(run.dir), [1, 12]);
  assert.match(await readFile(path.join(run.dir, 'log.txt'), 'utf8'), /^\S+Z one\n {2}two\n$/);
  assert.equal((await readStatus(run.dir)).state, 'finished');
  assert.deepEqual((await readdir(run.dir)).sort(), [
    'events.jsonl',
    'log.txt',
    'result.json',
    'run.json',
    'samples',
    'status.json',
  ]);
});

test('overlapping appends are written completely and in order', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  await Promise.all(Array.from({ length: 50 }, (_, step) => run.append({ step, time: 0, reward: step })));
  await run.close('finished');
  const steps = (await readEvents(run.dir)).map((event) => event.step);
  assert.deepEqual(
    steps,
    steps.map((_, index) => index),
  );
});

test('a number that JSON cannot represent is rejected by name and does not change the log', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  await assert.rejects(
    run.append({ step: 3, time: 0, grad_norm: Number.NaN }),
    /grad_norm of step 3 is NaN; leave out what was not measured/,
  );
  await assert.rejects(
    run.samples(3, [{ ...sample, advantage: Number.NaN }]),
    /advantage of a sample of step 3 is NaN/,
  );
  await run.append({ step: 3, time: 0 });
  await run.close('finished');
  assert.deepEqual(await readEvents(run.dir), [{ step: 3, time: 0 }]);
  assert.deepEqual(await sampleSteps(run.dir), []);
});

test('readers skip an incomplete last line, and the next writer removes it', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  await run.append({ step: 1, time: 0 });
  await run.append({ step: 2, time: 0 });
  await run.close('interrupted');
  for (const torn of ['{"step":3,"ti', '{"step":3,"time":0}', '\0\0\0\0', '{"e":"\u00e9'.slice(0, -1)]) {
    await appendFile(path.join(run.dir, 'events.jsonl'), torn);
    assert.equal((await readEvents(run.dir)).length, 2, JSON.stringify(torn));
    const again = await RunWriter.resume(run.dir, 2);
    await again.close('interrupted');
    assert.match(await readFile(path.join(run.dir, 'events.jsonl'), 'utf8'), /^\{.*\}\n\{.*\}\n$/);
  }
});

test('a broken line or an invalid field is reported with its line number', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  await run.append({ step: 1, time: 0 });
  await run.close('interrupted');
  const file = path.join(run.dir, 'events.jsonl');
  await appendFile(file, 'rubbish\n{"step":3,"time":0}\n');
  await assert.rejects(
    readEvents(run.dir),
    (error) => error instanceof UserError && error.message.startsWith(`line 2 of ${file} is not valid JSON`),
  );
  await writeFile(file, '{"step":1,"time":0,"reward":null}\n');
  await assert.rejects(readEvents(run.dir), /line 1 of .*events.jsonl is broken \(field "reward": must be a number/);
  await assert.rejects(RunWriter.resume(run.dir, 1), /line 1 of/);
  assert.equal((await readdir(run.dir)).includes('lock.json'), false, 'the lock is released');
});

test('an error about a broken record names the file and the reason', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  await run.close('finished');
  for (const [content, reason] of [
    ['', /run\.json is not valid JSON/],
    ['[]', /run\.json is broken \(must be an object/],
    ['{"schema":2}', /run\.json is broken \(field "schema"/],
  ] as const) {
    await writeFile(path.join(run.dir, 'run.json'), content);
    await assert.rejects(
      readConfiguration(run.dir),
      (error) => error instanceof UserError && reason.test(error.message),
    );
  }
  await assert.rejects(readConfiguration('/nowhere'), /\/nowhere.*run\.json does not exist; check that this is a run/);
});

test('the status is written about once per second, not once per step', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  assert.equal((await statusFile(run.dir)).state, 'starting');
  await run.progress(1, 10);
  const first = await statusFile(run.dir);
  assert.deepEqual([first.state, first.step, first.steps, first.eta], ['running', 1, 100, 10]);
  for (let step = 2; step < 30; step++) await run.progress(step, 5);
  assert.deepEqual(await statusFile(run.dir), first, 'nothing is written in the first second');
  await new Promise((resolve) => setTimeout(resolve, 1700));
  const beat = await statusFile(run.dir);
  assert.equal(beat.step, 29, 'the timer writes the new values');
  assert.ok(beat.heartbeat > first.heartbeat);
  await run.close('failed', new Error('the loss is NaN in step 30'));
  const { state, error, eta } = await statusFile(run.dir);
  assert.deepEqual([state, error, eta], ['failed', 'the loss is NaN in step 30', null]);
  const last = (await stat(path.join(run.dir, 'status.json'))).mtimeMs;
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.equal((await stat(path.join(run.dir, 'status.json'))).mtimeMs, last, 'no heartbeat after the end');
});

test('pause, continue and stop take effect between two steps and are acknowledged by id', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  assert.equal(await run.request(), 'run');
  const pause = await requestControl(run.dir, 'pause');
  assert.equal(await run.request(), 'pause');
  assert.equal((await statusFile(run.dir)).control, pause);
  const waiting = run.whilePaused();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal((await statusFile(run.dir)).state, 'paused');
  await requestControl(run.dir, 'run');
  assert.equal(await waiting, 'run');
  assert.equal((await statusFile(run.dir)).state, 'running');
  await requestControl(run.dir, 'pause');
  await run.request();
  const abort = new AbortController();
  const interrupted = run.whilePaused(abort.signal);
  abort.abort();
  assert.equal(await interrupted, 'stop');
  await writeFile(path.join(run.dir, 'control.json'), '{"want":"expl');
  assert.equal(await run.request(), 'pause', 'an unreadable request is ignored');
  await run.request();
  assert.equal((await readFile(path.join(run.dir, 'log.txt'), 'utf8')).match(/control\.json/g)?.length, 1);
  await requestControl(run.dir, 'stop');
  assert.equal(await run.request(), 'stop');
  await run.close('interrupted');
  await assert.rejects(requestControl(run.dir, 'stop'), /No process runs .* nothing to stop; resume the run/);
  const again = await RunWriter.resume(run.dir, 0);
  assert.equal(await again.request(), 'run', 'a new process ignores an old request');
  await again.close('finished');
});

test('resuming from a step removes what later steps wrote', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  const write = (folder: string) => writeFile(path.join(folder, 'state.json'), '{}');
  for (let step = 1; step <= 6; step++) {
    await run.append({ step, time: 0, reward: step });
    if (step === 4) await run.append({ step, time: 0, reward: 4.5 });
    await run.samples(step, [sample]);
    if (step % 2 === 0) await run.checkpoint(step, write);
  }
  await run.result({ steps: 6 });
  await run.close('finished');
  const again = await RunWriter.resume(run.dir, 4);
  assert.equal((await statusFile(run.dir)).step, 4);
  await again.append({ step: 5, time: 1, reward: 50 });
  await again.close('interrupted');
  assert.deepEqual(
    stepsOf(await readEvents(run.dir)).map(({ step, reward }) => [step, reward]),
    [1, 2, 3, 4, 4, 5].map((step, index) => [step, [1, 2, 3, 4, 4.5, 50][index]]),
  );
  assert.deepEqual(await sampleSteps(run.dir), [1, 2, 3, 4]);
  assert.deepEqual(
    (await listCheckpoints(run.dir)).map(({ step }) => step),
    [2, 4],
  );
  assert.equal((await readdir(run.dir)).includes('result.json'), false);
});

test('a follower gets each event once, and all of them again after a rewind', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  assert.deepEqual(await readNewEvents(path.join(run.dir, 'nothing'), null), {
    events: [],
    cursor: null,
    rewound: false,
  });
  await run.append({ step: 1, time: 0 });
  await run.append({ step: 2, time: 0 });
  const first = await readNewEvents(run.dir, null);
  assert.deepEqual([first.events.length, first.rewound], [2, false]);
  assert.equal((await readNewEvents(run.dir, first.cursor)).events.length, 0);
  await run.close('interrupted');
  await appendFile(path.join(run.dir, 'events.jsonl'), '{"step":3,');
  assert.equal((await readNewEvents(run.dir, first.cursor)).events.length, 0);
  await appendFile(path.join(run.dir, 'events.jsonl'), '"time":0}\n');
  const second = await readNewEvents(run.dir, first.cursor);
  assert.deepEqual(second.events, [{ step: 3, time: 0 }]);
  const again = await RunWriter.resume(run.dir, 1);
  for (let step = 2; step < 9; step++) await again.append({ step, time: 1 });
  const third = await readNewEvents(run.dir, second.cursor);
  assert.equal(third.rewound, true);
  assert.deepEqual(
    third.events.map(({ step }) => step),
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
  await again.close('finished');
});

test('a run is found by its name or its path', async () => {
  const root = await temporaryFolder();
  const dir = await createRunDirectory(root, newRun);
  assert.equal(await findRun(root, path.basename(dir)), dir);
  assert.equal(await findRun('/nowhere', dir), dir);
  await mkdir(path.join(root, 'other'));
  await assert.rejects(findRun(root, 'other'), /There is no run other in .*; `unmask runs list` lists them/);
});

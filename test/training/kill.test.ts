import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { latestCheckpoint } from '../../src/runs/checkpoints.ts';
import { readEvents, readStatus, stepsOf } from '../../src/runs/reader.ts';
import { resumePretraining, startPretraining } from '../../src/training/pretraining-run.ts';
import { resumeTuning, startTuning } from '../../src/tuning/tuning-run.ts';
import { oneThread, writeTinyCheckpoint } from '../model/tiny-model.ts';
import { trajectoryOf } from './run-files.ts';
import { temporaryFolder, tinyPretraining, tinyTuning } from './tiny-runs.ts';

let root: string;
before(async () => {
  root = await temporaryFolder();
});
after(() => rm(root, { recursive: true }));

/** Starts a job in a separate process and kills it after `steps` steps. Returns its run directory. */
async function killedAfter(
  steps: number,
  kind: 'tune' | 'pretrain',
  folder: string,
  ...rest: string[]
): Promise<string> {
  const job = fileURLToPath(new URL('job.ts', import.meta.url));
  const runs = path.join(root, `killed-${kind}`);
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), job, kind, runs, folder, ...rest], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  const dir = line.trim();
  while (stepsOf(await readEvents(dir)).length < steps) await delay(2);
  child.kill('SIGKILL');
  assert.equal((await ended)[1], 'SIGKILL', 'the job was killed before it ended');
  assert.ok((await readdir(dir)).includes('lock.json'), 'a killed process leaves its lock');
  assert.notEqual((await readStatus(dir)).state, 'finished');
  return dir;
}

it('a tuning run whose process was killed resumes from its last checkpoint on the same trajectory', async () => {
  const model = await writeTinyCheckpoint(path.join(root, 'model'));
  const whole = await startTuning(oneThread(), path.join(root, 'whole'), tinyTuning(model));
  const dir = await killedAfter(3, 'tune', model);
  assert.ok(
    ((await latestCheckpoint(dir))?.step ?? 0) >= 2,
    'the checkpoint of step 2 was complete before step 3 began',
  );
  await resumeTuning(oneThread(), dir);
  assert.deepEqual(await trajectoryOf(dir), await trajectoryOf(whole.dir));
  assert.equal((await readStatus(dir)).state, 'finished');
});

it('a killed run with a method that keeps another policy resumes on the same trajectory', async () => {
  const model = await writeTinyCheckpoint(path.join(root, 'carrying'));
  const request = tinyTuning(model, { objective: 'diffu-grpo' });
  const whole = await startTuning(oneThread(), path.join(root, 'whole'), request);
  const dir = await killedAfter(3, 'tune', model, 'diffu-grpo');
  await resumeTuning(oneThread(), dir);
  const { method, ...rest } = await trajectoryOf(whole.dir);
  assert.ok(method);
  assert.deepEqual(await trajectoryOf(dir), { method, ...rest });
});

it('a killed run with an adapter resumes on the same trajectory', async () => {
  const model = await writeTinyCheckpoint(path.join(root, 'adapted'));
  const settings = { adapter: 'lora', lora_r: 2 };
  const whole = await startTuning(oneThread(), path.join(root, 'whole'), tinyTuning(model, {}, settings));
  const dir = await killedAfter(3, 'tune', model, 'spg-mixture', JSON.stringify(settings));
  await resumeTuning(oneThread(), dir);
  assert.deepEqual(await trajectoryOf(dir), await trajectoryOf(whole.dir));
});

it('a pretraining run whose process was killed before its first checkpoint starts again, with the same result', async () => {
  const output = (name: string) => path.join(root, 'models', name);
  const whole = await startPretraining(oneThread(), path.join(root, 'whole'), tinyPretraining(output('whole')));
  const dir = await killedAfter(1, 'pretrain', output('killed'));
  await resumePretraining(oneThread(), dir);
  assert.deepEqual(await trajectoryOf(dir), await trajectoryOf(whole.run));
});

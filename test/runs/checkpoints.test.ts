import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { commitCheckpoint, latestCheckpoint, listCheckpoints, retainCheckpoints } from '../../src/runs/checkpoints.ts';
import { createRunDirectory } from '../../src/runs/directory.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { newRun, temporaryFolder } from './example.ts';

const state = (text: string) => async (folder: string) => {
  await mkdir(path.join(folder, 'nested'));
  await writeFile(path.join(folder, 'nested', 'state.json'), text);
};
const steps = async (dir: string) => (await listCheckpoints(dir)).map(({ step }) => step);

test('a checkpoint is written completely or not at all', async () => {
  const dir = await createRunDirectory(await temporaryFolder(), newRun);
  assert.equal(await latestCheckpoint(dir), null);
  const failing = commitCheckpoint(dir, 10, async (folder) => {
    await writeFile(path.join(folder, 'model.safetensors'), 'half');
    assert.equal(await latestCheckpoint(dir), null, 'it is not visible while it is being written');
    throw new Error('disk full');
  });
  await assert.rejects(failing, /disk full/);
  assert.deepEqual(await readdir(path.join(dir, 'checkpoints')), []);
  const checkpoint = await commitCheckpoint(dir, 10, state('first'));
  assert.deepEqual(checkpoint, { step: 10, dir: path.join(dir, 'checkpoints', 'step-000010') });
  assert.deepEqual(await latestCheckpoint(dir), checkpoint);
});

test('a checkpoint of the same step is replaced', async () => {
  const dir = await createRunDirectory(await temporaryFolder(), newRun);
  await commitCheckpoint(dir, 10, state('first'));
  const { dir: folder } = await commitCheckpoint(dir, 10, state('second'));
  assert.equal(await readFile(path.join(folder, 'nested', 'state.json'), 'utf8'), 'second');
  assert.deepEqual(await readdir(path.join(dir, 'checkpoints')), ['step-000010']);
});

test('the last three checkpoints and the best one are kept, and other entries are not touched', async () => {
  const dir = await createRunDirectory(await temporaryFolder(), newRun);
  for (const step of [5, 10, 15, 20, 1_234_567]) await commitCheckpoint(dir, step, state(''));
  await mkdir(path.join(dir, 'checkpoints', 'mine'));
  await retainCheckpoints(dir, { last: 3, best: 5 });
  assert.deepEqual(await steps(dir), [5, 15, 20, 1_234_567]);
  await retainCheckpoints(dir, { last: 3, best: 15 });
  assert.deepEqual(await steps(dir), [15, 20, 1_234_567]);
  await retainCheckpoints(dir, { last: 0, best: null });
  assert.deepEqual(await readdir(path.join(dir, 'checkpoints')), ['mine']);
});

test('the next writer removes what a killed one left', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  for (let step = 1; step <= 6; step++) await run.checkpoint(step, state(''), { best: 2 });
  assert.deepEqual(await steps(run.dir), [2, 4, 5, 6]);
  await run.close('interrupted');
  await mkdir(path.join(run.dir, 'checkpoints', '.step-000007.abc'));
  const again = await RunWriter.resume(run.dir, 6);
  assert.deepEqual(
    await readdir(path.join(run.dir, 'checkpoints')),
    [2, 4, 5, 6].map((step) => `step-00000${step}`),
  );
  await again.close('finished');
});

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { findModel } from '../../src/catalogue/find-model.ts';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { writeTinyCheckpoint } from '../model/tiny-model.ts';
import { newRun } from '../runs/example.ts';

let home: string;
const previousHome = process.env.UNMASK_HOME;
before(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'unmask-home-'));
  process.env.UNMASK_HOME = home;
});
after(async () => {
  if (previousHome === undefined) delete process.env.UNMASK_HOME;
  else process.env.UNMASK_HOME = previousHome;
  await rm(home, { recursive: true });
});

it('finds an id in the data home, and a checkpoint folder by its absolute or relative path', async () => {
  const folder = await writeTinyCheckpoint(path.join(home, 'models', 'mine'));
  assert.equal(await findModel('mine'), folder);
  assert.equal(await findModel(folder), folder);
  assert.equal(await findModel(path.relative(process.cwd(), folder)), folder);
});

it('treats a path as a path, even if a model has that name', async () => {
  const cwd = process.cwd();
  try {
    const work = path.join(home, 'work');
    await mkdir(work);
    process.chdir(work);
    for (const name of ['mine', 'unmask-code']) {
      await assert.rejects(findModel(`./${name}`), { name: 'UserError', message: /There is no model \.\// });
      const folder = await writeTinyCheckpoint(path.join(process.cwd(), name));
      assert.equal(await findModel(`./${name}`), folder);
      assert.equal(await findModel(`../work/${name}`), folder);
      assert.notEqual(await findModel(name), folder);
    }
    // The base that an adapter names is found in the same way.
    await mkdir('adapter');
    const adapter = {
      ...{ peft_type: 'LORA', base_model_name_or_path: './mine' },
      ...{ r: 1, lora_alpha: 1, target_modules: ['q_proj'] },
    };
    await writeFile(path.join('adapter', 'adapter_config.json'), JSON.stringify(adapter));
    assert.equal((await resolveModel('adapter')).base, path.resolve('mine'));
  } finally {
    process.chdir(cwd);
  }
});

it('finds the last checkpoint of a run directory, and reports if there is none yet', async () => {
  const run = await RunWriter.create(path.join(home, 'runs'), newRun);
  await assert.rejects(findModel(run.dir), { name: 'UserError', message: /has no checkpoint yet/ });
  for (const step of [2, 10]) await run.checkpoint(step, async (dir) => void (await writeTinyCheckpoint(dir)));
  assert.equal(await findModel(run.dir), path.join(run.dir, 'checkpoints', 'step-000010'));
  await run.close('finished');
});

it('lists the known models for an unknown name, and reports a folder that is not a model', async () => {
  await assert.rejects(findModel('nosuch'), {
    name: 'UserError',
    message: /There is no model nosuch; choose one of .*mine/,
  });
  const empty = path.join(home, 'empty');
  await mkdir(empty);
  await assert.rejects(findModel(empty), { name: 'UserError', message: /empty holds no config\.json/ });
  await assert.rejects(findModel(' '), { name: 'UserError', message: /cannot have an empty name/ });
});

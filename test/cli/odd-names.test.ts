import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { writeTinyCheckpoint } from '../model/tiny-model.ts';
import { document, enterHome, refusal } from './unmask.ts';

let home: string;
let leave: () => Promise<void>;
before(async () => {
  ({ home, leave } = await enterHome());
});
after(() => leave());

const row = '{"puzzle":"1000000000000000","solution":"1234341221434321","completion":"1234341221434321"}\n';
const device = ['--engine', 'onnx', '--device', 'cpu'];
const tiny = ['prompts_per_step=1', 'group_size=2', 'evaluation_problems=1'].flatMap((pair) => ['--set', pair]);

describe('files and folders with unusual names', () => {
  for (const name of ['a#b?c%20d "e" \'f\'', 'two\nlines', 'n'.repeat(255)])
    it(`can be used: ${JSON.stringify(name.slice(0, 20))}`, async () => {
      const model = path.join(home, 'models of others', name);
      await mkdir(path.dirname(model), { recursive: true });
      await writeTinyCheckpoint(model);
      await mkdir(path.join(home, 'data'), { recursive: true });
      const data = path.join(home, 'data', name);
      await writeFile(data, row);
      const graded = await document(['score', '--task', 'sudoku4x4', '--file', data]);
      assert.equal(graded.metrics.solved.value, 1);
      const evaluated = await document(['eval', '--task', 'sudoku4x4', '--model', model, '--data', data, ...device]);
      assert.equal(evaluated.n, 1);
      const runs = path.join(home, 'runs of others', name);
      const source = ['--task', 'sudoku4x4', '--model', model, '--runs', runs, '--test', '1', '--steps', '1'];
      const tuned = await document(['tune', ...source, ...tiny, ...device]);
      assert.equal(path.dirname(tuned.dir), runs);
      assert.ok((await readdir(tuned.dir)).every((file) => !/\.\d+$/.test(file)));
    });

  it('are refused in one sentence if they are too long or cannot name a model, and nothing is left', async () => {
    const long = 'n'.repeat(256);
    const model = path.join(home, 'models of others', 'tiny');
    await writeTinyCheckpoint(model);
    const source = ['--task', 'sudoku4x4', '--model', model, '--steps', '1', ...tiny, ...device];
    assert.match(
      await refusal(['tune', ...source, '--runs', long], 1),
      /^Cannot write .*ENAMETOOLONG.*; choose a shorter name\.$/,
    );
    assert.match(await refusal(['score', '--task', 'sudoku4x4', '--file', long], 1), /ENAMETOOLONG/);
    assert.match(await refusal(['eval', '--task', 'sudoku4x4', '--model', long, ...device], 1), /nnn.*\.$/);
    for (const name of [long, 'two\nlines', 'a#b'])
      assert.match(await refusal(['models', 'add', model, '--name', name], 2), /cannot name a model/);
    assert.ok(!(await readdir(home)).includes(long));
  });
});

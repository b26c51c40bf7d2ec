import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { keepModel } from '../../src/catalogue/keep-model.ts';
import { UserError } from '../../src/platform/errors.ts';
import { isModelName } from '../../src/platform/model-name.ts';
import { bestCheckpoint } from '../../src/runs/checkpoints.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { newRun, temporaryFolder } from '../runs/example.ts';

/** A run with checkpoints of steps 5 and 10, one of which was the best in validation. */
async function tunedRun(best: number | null, state: 'finished' | null = 'finished'): Promise<RunWriter> {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  for (const step of [5, 10])
    await run.checkpoint(
      step,
      async (folder) => {
        await writeFile(path.join(folder, 'config.json'), '{}');
        await writeFile(path.join(folder, 'model.safetensors'), `weights of ${step}`);
        for (const name of ['optimizer.safetensors', 'method.safetensors', 'base-of.json'])
          await writeFile(path.join(folder, name), 'large');
        await writeFile(
          path.join(folder, 'state.json'),
          JSON.stringify({ step, best: best === null ? null : { step: best, score: 1 } }),
        );
      },
      { best },
    );
  const interval = (value: number) => ({ value, low: value - 0.1, high: value + 0.1 });
  await run.result({ before: { solved: interval(0.2) }, after: { solved: interval(0.6) } });
  if (state) await run.close(state);
  return run;
}

describe('keeping a tuned model', () => {
  it('copies the best checkpoint with a model card, without files that only training needs', async () => {
    const run = await tunedRun(5);
    const models = await temporaryFolder();
    const folder = await keepModel(run.dir, models, 'my-sudoku');
    assert.equal(folder, path.join(models, 'my-sudoku'));
    assert.deepEqual((await readdir(folder)).sort(), ['README.md', 'config.json', 'model.safetensors']);
    assert.equal(await readFile(path.join(folder, 'model.safetensors'), 'utf8'), 'weights of step 5');
    const card = await readFile(path.join(folder, 'README.md'), 'utf8');
    assert.match(card, /^# my-sudoku$/m);
    assert.match(card, /after step 5 of the run \S+, seed 7, on onnx cpu by unmask 0\.1\.0\.$/m);
    assert.match(card, /^\| solved \| 0\.200 \[0\.100, 0\.300\] \| 0\.600 \[0\.500, 0\.700\] \|$/m);
    assert.deepEqual(await readdir(models), ['my-sudoku'], 'no incomplete folder next to it');
  });

  it('copies the last checkpoint if none was evaluated, or the best one no longer exists', async () => {
    for (const best of [null, 3]) assert.equal((await bestCheckpoint((await tunedRun(best)).dir))?.step, 10);
  });

  it('does not replace a model of the same name', async () => {
    const run = await tunedRun(5);
    const models = await temporaryFolder();
    await mkdir(path.join(models, 'taken'));
    await writeFile(path.join(models, 'taken', 'config.json'), 'mine');
    await assert.rejects(keepModel(run.dir, models, 'taken'), userError(/^A model named taken exists already; /));
    assert.equal(await readFile(path.join(models, 'taken', 'config.json'), 'utf8'), 'mine');
  });

  it('rejects a running run, a run without a checkpoint, and an invalid name', async () => {
    const models = await temporaryFolder();
    const living = await tunedRun(5, null);
    await assert.rejects(keepModel(living.dir, models, 'a'), userError(/is still active/));
    await living.close('finished');
    const empty = await RunWriter.create(await temporaryFolder(), newRun);
    await empty.close('finished');
    await assert.rejects(keepModel(empty.dir, models, 'a'), userError(/has no checkpoint, so/));
    await assert.rejects(keepModel(living.dir, models, '../a'), userError(/^\.\.\/a is not a valid model name/));
  });

  it('accepts names that are valid folder names on every platform', () => {
    for (const name of ['a', 'my-model_2.1', 'UPPER']) assert.ok(isModelName(name), name);
    for (const name of ['', '.hidden', 'a/b', 'a\\b', '..', 'a b', 'con', 'NUL.txt', 'dot.', 'x'.repeat(101)])
      assert.ok(!isModelName(name), name);
  });
});

const userError = (message: RegExp) => (error: Error) => {
  assert.ok(error instanceof UserError, error.stack);
  assert.match(error.message, message);
  return true;
};

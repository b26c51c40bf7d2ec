import assert from 'node:assert/strict';
import { mkdtemp, open, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { writeAdapter } from '../../src/model/adapter-folder.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { cachedWeights, listCachedWeights, removeLeastUsed, weightCacheFolder } from '../../src/model/weight-cache.ts';
import { assertNear } from './assert-near.ts';
import { adapted } from './tiny-adapter.ts';
import { oneThread, tinyCheckpoint, writeTinyCheckpoint } from './tiny-model.ts';

const engine = oneThread();
const checkpoint = tinyCheckpoint({ num_hidden_layers: 2 });
const text = Int32Array.from({ length: 12 }, (_, index) => 4 + index);
const earlierHome = process.env.UNMASK_HOME;
let folder: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'unmask-weights-'));
  process.env.UNMASK_HOME = path.join(folder, 'home');
});

after(async () => {
  if (earlierHome === undefined) delete process.env.UNMASK_HOME;
  else process.env.UNMASK_HOME = earlierHome;
  await rm(folder, { recursive: true, force: true });
});

/** Loads the model with a cached file, and returns the weights that were read from the checkpoint and the logits. */
async function loaded(name: string, precision: 'f32' | 'w8a8' = 'w8a8') {
  const reads: string[] = [];
  const failures: string[] = [];
  const weights = {
    shapes: new Map([...checkpoint.weights].map(([weight, { shape }]) => [weight, shape])),
    read: async (weight: string) => {
      reads.push(weight);
      const { shape, data } = checkpoint.weights.get(weight)!;
      return { shape, data: data.slice() };
    },
  };
  const file = { path: path.join(folder, name), onFailure: (reason: string) => failures.push(reason) };
  const model = await LanguageModel.loadFrozen(engine, { ...checkpoint, weights }, precision, { file });
  const logits = (await model.rawLogits(text)).slice();
  const embeddings = await model.state.read('model.embed_tokens.weight');
  await model.dispose();
  return { reads, failures, logits, embeddings };
}

/** The logits of a model whose weights are in memory. */
async function plainLogits(precision: 'f32' | 'w8a8'): Promise<Float32Array> {
  const model = await LanguageModel.loadFrozen(engine, checkpoint, precision);
  const logits = (await model.rawLogits(text)).slice();
  await model.dispose();
  return logits;
}

async function fileOf(name: string): Promise<string> {
  const [file, another] = (await readdir(folder)).filter((one) => one.startsWith(`${name}.`));
  assert.ok(file !== undefined && another === undefined, 'one file, and no unfinished one');
  return path.join(folder, file);
}

describe('the file of a model as an engine computes with it', () => {
  for (const precision of ['f32', 'w8a8'] as const)
    it(`is written once and gives the logits of weights in memory: ${precision}`, async () => {
      const first = await loaded(precision, precision);
      const second = await loaded(precision, precision);
      assert.equal(first.reads.length, checkpoint.weights.size);
      assert.deepEqual(second.reads, []);
      const expected = await plainLogits(precision);
      assertNear(first.logits, expected, 'first');
      assert.deepEqual(second.logits, first.logits);
      assert.deepEqual(second.embeddings, first.embeddings);
    });

  for (const [damage, apply] of Object.entries({
    'is cut off': async (file: string) => truncate(file, (await stat(file)).size - 100),
    'is empty': (file: string) => writeFile(file, ''),
    'has a changed byte in its weights': async (file: string) => {
      const handle = await open(file, 'r+');
      await handle.write(Buffer.from([99, 98, 97]), 0, 3, 10);
      await handle.close();
    },
    'is something else': (file: string) => writeFile(file, 'x'.repeat(5000)),
  }))
    it(`is written again if it ${damage}`, async () => {
      const name = `damaged ${damage}`.replaceAll(' ', '-');
      const { logits } = await loaded(name);
      await apply(await fileOf(name));
      const again = await loaded(name);
      assert.equal(again.reads.length, checkpoint.weights.size);
      assert.deepEqual(again.logits, logits);
      assert.deepEqual((await loaded(name)).reads, []);
    });

  it('is made by two loads at the same time, and both compute', async () => {
    const [one, two] = await Promise.all([loaded('twice'), loaded('twice')]);
    assert.deepEqual(one!.logits, two!.logits);
    await fileOf('twice');
  });

  it('is left out with one sentence if it cannot be written', async () => {
    await writeFile(path.join(folder, 'in-the-way'), '');
    const { failures, logits } = await loaded(path.join('in-the-way', 'weights'));
    assert.equal(failures.length, 1);
    assert.match(failures[0]!, /^The model's weights are not cached, so it loads slowly: Cannot write .*\.$/);
    assertNear(logits, await plainLogits('w8a8'), 'in memory');
  });
});

describe('the cache of weights', () => {
  it('has another file for another precision and for changed weights', async () => {
    const model = await writeTinyCheckpoint(path.join(folder, 'model'));
    const name = async (precision: 'f32' | 'w8a8') => (await cachedWeights(model, { precision })).path;
    const first = await name('w8a8');
    assert.equal(await name('w8a8'), first);
    assert.notEqual(await name('f32'), first);
    await utimes(path.join(model, 'model.safetensors'), 1, 1);
    assert.notEqual(await name('w8a8'), first);
  });

  it('has another file for a merged adapter, and for one whose scale was changed', async () => {
    const model = await writeTinyCheckpoint(path.join(folder, 'base'));
    const adapter = path.join(folder, 'adapter');
    await writeAdapter(adapter, adapted(checkpoint).adapter);
    const name = async () => (await cachedWeights(model, { precision: 'w8a8' }, { adapter })).path;
    const first = await name();
    assert.equal(await name(), first);
    assert.notEqual((await cachedWeights(model, { precision: 'w8a8' })).path, first);
    await utimes(path.join(adapter, 'adapter_config.json'), 1, 1);
    assert.notEqual(await name(), first);
  });

  it('removes the files that were used least recently, but not the one in use', async () => {
    const model = await writeTinyCheckpoint(path.join(folder, 'cached'));
    const file = await cachedWeights(model, { precision: 'w8a8' });
    const served = await LanguageModel.loadFrozen(engine, checkpoint, 'w8a8', { file });
    const [own] = await listCachedWeights();
    for (const [age, name] of ['newer', 'older'].entries()) {
      const other = path.join(weightCacheFolder(), `${name}.weights`);
      await writeFile(other, Buffer.alloc(1000));
      await utimes(other, 1000 - age, 1000 - age);
    }
    await writeFile(path.join(weightCacheFolder(), 'unfinished'), '');
    const names = async () => (await listCachedWeights()).map((one) => path.basename(one.file)).sort();
    assert.equal((await names()).length, 3);
    await removeLeastUsed(own!.file, own!.bytes + 1500);
    assert.deepEqual(await names(), [path.basename(own!.file), 'newer.weights'].sort());
    await removeLeastUsed(own!.file, 0);
    assert.deepEqual(await names(), [path.basename(own!.file)]);
    assert.equal((await served.rawLogits(text)).length, 12 * checkpoint.config.vocab_size);
    await served.dispose();
  });
});

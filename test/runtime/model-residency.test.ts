import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { writeAdapter } from '../../src/model/adapter-folder.ts';
import { readCheckpoint, writeCheckpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { loadForInference } from '../../src/model/load-served.ts';
import { mergeAdapter } from '../../src/model/merge-adapter.ts';
import { keepServingPrecision } from '../../src/model/serving-precision.ts';
import { ModelResidency } from '../../src/runtime/model-residency.ts';
import { assertNear } from '../model/assert-near.ts';
import { adapted } from '../model/tiny-adapter.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';

const code = {
  attention: 'prefix-lm',
  eom_token_id: 3,
  hidden_size: 32,
  intermediate_size: 32,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  head_dim: 8,
} as const;
let root: string;
const folder = (name: string) => path.join(root, name);
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'unmask-residency-'));
  await writeCheckpoint(folder('base'), tinyCheckpoint(code));
  await writeCheckpoint(folder('other'), tinyCheckpoint(code, 2));
  const digest = await (await resolveModel(folder('base'))).digest();
  for (const [name, alpha] of Object.entries({ calm: 1, wild: 9 })) {
    const { adapter } = adapted(tinyCheckpoint(code), { alpha });
    await writeAdapter(folder(name), { ...adapter, base: { ...adapter.base, name: folder('base'), digest } });
  }
  const { adapter } = adapted(tinyCheckpoint(code));
  const base = { name: folder('base'), digest, precision: 'int4' as const };
  await writeAdapter(folder('coarse'), { ...adapter, base });
  await writeAdapter(folder('stray'), { ...adapter, base: { ...adapter.base, name: folder('other'), digest } });
});
after(() => rm(root, { recursive: true }));

it('switches from a base to its adapters and back at the next request, and reads the base once', async () => {
  const choice = (name: string) => ({ model: folder(name), engine: 'onnx', device: 'cpu' });
  const states: string[] = [];
  const residency: ModelResidency = new ModelResidency(choice('base'), () => states.push(residency.residency.state));
  const logitsOf = async (model: LanguageModel) => [...(await model.rawLogits(Int32Array.of(4, 2, 5)))];
  const base = await residency.get();
  const plain = await logitsOf(base);
  const seen = [plain];
  for (const name of ['calm', 'wild']) {
    residency.choose(choice(name));
    const model = await residency.get();
    assert.equal(await residency.get(), model, 'it stays loaded until another is chosen');
    assert.equal(residency.residency.folder, folder(name));
    seen.push(await logitsOf(model));
  }
  assert.equal(new Set(seen.map(String)).size, 3);
  residency.choose(choice('base'));
  assert.equal(await residency.get(), base, 'the base stayed loaded');
  assert.deepEqual(await logitsOf(base), plain);

  residency.choose(choice('coarse'));
  const coarse = await residency.get();
  assert.equal(coarse.precision, 'int4');
  const alone = await LanguageModel.load(oneThread(), await readCheckpoint(await resolveModel(folder('coarse'))));
  assertNear(await logitsOf(coarse), await logitsOf(alone), 'over a base of its own precision', 1e-5);
  await alone.dispose();

  residency.choose(choice('stray'));
  await assert.rejects(residency.get(), { name: 'UserError', message: /trained on other weights/ });
  assert.equal(states.at(-1), 'failed');
  residency.choose(choice('wild'));
  assert.deepEqual(await logitsOf(await residency.get()), seen[2]);
  residency.choose(choice('mistyped'));
  await assert.rejects(residency.get(), { name: 'UserError' });
  assert.equal(states.at(-1), 'failed');
  residency.choose(choice('wild'));
  await residency.get();
  const { state, folder: its, problem } = residency.residency;
  assert.deepEqual([state, its, problem], ['ready', folder('wild'), null], 'the model stayed loaded');
  residency.choose(choice('other'));
  assert.notDeepEqual(await logitsOf(await residency.get()), plain);
  assert.equal(states.at(-1), 'ready');
});

it('releases its memory when it is evicted, and reads the model again afterwards', async () => {
  let reason: string | null = null;
  const requested: [string, number][] = [];
  const states: string[] = [];
  const choice = { model: folder('wild'), engine: 'onnx', device: 'cpu' };
  const residency: ModelResidency = new ModelResidency(
    choice,
    () => states.push(residency.residency.state),
    async (device, bytes) => {
      requested.push([device, bytes]);
      return reason;
    },
  );
  const logitsOf = async () => [...(await (await residency.get()).rawLogits(Int32Array.of(4, 2, 5)))];
  await residency.reconsider();
  assert.deepEqual([residency.residency.state, requested], ['idle', []], 'no model is loaded that could be evicted');
  const before = await logitsOf();
  await residency.reconsider();
  assert.equal(states.at(-1), 'ready');

  reason = 'The model made room for one.';
  const model = await residency.get();
  await residency.reconsider();
  assert.deepEqual([residency.residency.state, residency.residency.problem], ['evicted', reason]);
  await assert.rejects(model.rawLogits(Int32Array.of(4, 2, 5)), 'its weights were released');
  const reported = states.length;
  await residency.reconsider();
  assert.equal(states.length, reported, 'the same reason is reported once');
  reason = 'The model made room for two.';
  await residency.reconsider();
  assert.equal(residency.residency.problem, reason);
  await assert.rejects(residency.get(), { name: 'UserError', message: reason });
  residency.choose({ ...choice, model: folder('other') });
  await assert.rejects(residency.get(), { name: 'UserError', message: reason });
  assert.equal(states.at(-1), 'evicted');
  residency.choose(choice);

  reason = null;
  await residency.reconsider();
  assert.deepEqual([residency.residency.state, residency.residency.problem], ['idle', null]);
  assert.deepEqual(await logitsOf(), before);
  assert.equal(states.at(-1), 'ready');
  for (const [device, bytes] of requested) assert.ok(device === 'cpu' && bytes > 0);
});

it('merges an installed adapter into a base that is served in 8 bits, but not the adapter of a run', async () => {
  const before = process.env.UNMASK_HOME;
  process.env.UNMASK_HOME = folder('home');
  try {
    await keepServingPrecision(folder('base'), { rows: [], chosen: 'w8a8' }, new Map());
    await cp(folder('wild'), folder('home/models/wild'), { recursive: true });
    const choice = (name: string) => ({ model: name, engine: 'onnx', device: 'cpu' });
    const residency = new ModelResidency(choice('wild'), () => undefined);
    const logitsOf = async (model: LanguageModel) => [...(await model.rawLogits(Int32Array.of(4, 2, 5)))];
    const merged = await residency.get();
    assert.deepEqual([merged.adapter, merged.precision], [undefined, 'w8a8']);
    const engine = oneThread();
    const whole = await mergeAdapter(engine, await readCheckpoint(await resolveModel('wild')));
    const expected = await LanguageModel.loadFrozen(engine, whole, 'w8a8');
    const logits = await logitsOf(merged);
    assertNear(logits, await logitsOf(expected), 'merged', 1e-5);
    assert.equal(await residency.get(), merged, 'it stays loaded');

    residency.choose(choice(folder('calm')));
    const beside = await residency.get();
    assert.notEqual(beside.adapter, undefined, 'an adapter that is no installed model is served beside its base');
    residency.choose(choice('wild'));
    const again = await residency.get();
    assert.deepEqual(await logitsOf(again), logits, 'the cached weights are those that were merged');
    const once = await loadForInference(engine, await resolveModel('wild'));
    assertNear(await logitsOf(once), logits, 'outside the editor', 1e-5);
    for (const model of [expected, once]) await model.dispose();
  } finally {
    if (before === undefined) delete process.env.UNMASK_HOME;
    else process.env.UNMASK_HOME = before;
  }
});

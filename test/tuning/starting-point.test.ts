import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { sourceOf } from '../../src/graph/tensor.ts';
import { writeAdapter } from '../../src/model/adapter-folder.ts';
import { readCheckpoint } from '../../src/model/checkpoint.ts';
import { loraTargets } from '../../src/model/lora.ts';
import { readSettings } from '../../src/platform/settings.ts';
import { tuningSettings } from '../../src/tuning/settings.ts';
import { startingPoint } from '../../src/tuning/starting-point.ts';
import { adapted } from '../model/tiny-adapter.ts';
import { oneThread, tinyCheckpoint, writeTinyCheckpoint } from '../model/tiny-model.ts';

let root: string;
let base: string;
let adapter: string;
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'unmask-start-'));
  base = await writeTinyCheckpoint(path.join(root, 'base'));
  adapter = path.join(root, 'adapter');
  await writeAdapter(adapter, adapted(tinyCheckpoint(), { base, rank: 2, targets: ['v_proj'] }).adapter);
});
after(() => rm(root, { recursive: true }));

/** The starting point for `--set` pairs. */
const begin = async (folder: string, ...pairs: string[]) =>
  startingPoint(oneThread(), await resolveModel(folder), {
    seed: 5,
    settings: await readSettings(tuningSettings, { pairs }),
  });

describe('a tuning run begins', () => {
  it('with all weights unless an adapter is requested', async () => {
    const [{ weights, ...started }, { weights: own, ...rest }] = [
      await begin(base),
      await readCheckpoint(await resolveModel(base)),
    ];
    assert.deepEqual(started, rest);
    const source = sourceOf(weights);
    assert.deepEqual([...source.shapes.keys()], [...own.keys()]);
    for (const [name, { data }] of own) assert.deepEqual((await source.read(name)).data, data);
  });

  it("with an adapter of the paper's scale on all projections, as wide as the model allows", async () => {
    const { adapter } = await begin(base, 'adapter=lora');
    const { rank, alpha, targets } = adapter!;
    assert.deepEqual({ rank, alpha, targets }, { rank: 8, alpha: 4, targets: [...loraTargets] });
    assert.deepEqual(adapter!.base, {
      name: base,
      digest: await (await resolveModel(base)).digest(),
      precision: 'f32',
    });
    assert.deepEqual((await begin(base, 'adapter=lora')).adapter, adapter, 'the same seed gives the same adapter');
  });

  it('with the adapter that the settings describe', async () => {
    for (const targets of ['["up_proj","q_proj"]', 'up_proj, q_proj']) {
      const pairs = ['adapter=lora', 'lora_r=2', 'lora_alpha=6', `lora_target_modules=${targets}`];
      const { rank, alpha, targets: found } = (await begin(base, ...pairs)).adapter!;
      assert.deepEqual({ rank, alpha, found }, { rank: 2, alpha: 6, found: ['q_proj', 'up_proj'] });
    }
  });

  it('with a given adapter, and records its base', async () => {
    const given = (await readCheckpoint(await resolveModel(adapter))).adapter!;
    const digest = await (await resolveModel(base)).digest();
    assert.deepEqual((await begin(adapter, 'adapter=lora', 'lora_r=2', 'lora_target_modules=v_proj')).adapter, {
      ...given,
      base: { name: base, digest, precision: 'f32' },
    });
  });

  it('with an adapter merged into its base if all weights are trained', async () => {
    const { adapter: remaining, weights: merged } = await begin(adapter);
    const weights = sourceOf(merged);
    const before = (await readCheckpoint(await resolveModel(base))).weights;
    assert.equal(remaining, undefined);
    for (const [name, { data }] of before) {
      if (name.includes('v_proj')) assert.notDeepEqual((await weights.read(name)).data, data, name);
      else assert.deepEqual((await weights.read(name)).data, data, name);
    }
  });
});

describe('a setting is rejected before the first step', () => {
  for (const [pairs, message] of [
    [['adapter=lora', 'lora_r=9'], /^Setting lora_r = 9 is larger than 8, .*; set at most 8\.$/],
    [['adapter=lora', 'lora_r=0'], /^Setting lora_r must be above 0, not 0/],
    [['adapter=lora', 'lora_r=1.5'], /^Setting lora_r must be a whole number, not 1\.5/],
    [['adapter=lora', 'lora_alpha=0'], /^Setting lora_alpha must be above 0, not 0/],
    [['adapter=lora', 'lora_alpha=-1'], /^Setting lora_alpha must be above 0, not -1/],
    [
      ['adapter=lora', 'lora_target_modules=w_proj'],
      /^Setting lora_target_modules: there is no projection w_proj; the/,
    ],
    [['adapter=lora', 'lora_target_modules=[]'], /^Setting lora_target_modules: no projection is named; /],
    [['adapter=dora'], /^Setting adapter must be none or lora, not "dora"/],
    [
      ['base_precision=int4'],
      /^Setting base_precision needs an adapter, but this run trains all weights; add adapter=lora/,
    ],
    [['adapter=lora', 'base_precision=int2'], /^Setting base_precision must be /],
    [['lora_r=2'], /^Setting lora_r needs an adapter, but this run trains all weights; add adapter=lora\.$/],
  ] as const)
    it(pairs.join(' '), async () => {
      await assert.rejects(begin(base, ...pairs), { name: 'UsageError', message });
    });

  it('if the base cannot be quantised', async () => {
    const message =
      /^A base of precision int8 needs widths that are multiples of 32, but .*q_proj\.weight is \[8,8\]; /;
    await assert.rejects(begin(base, 'adapter=lora', 'base_precision=int8'), { name: 'UserError', message });
  });

  it('if it contradicts the given adapter', async () => {
    await assert.rejects(begin(adapter, 'adapter=lora', 'lora_r=3'), {
      name: 'UsageError',
      message: /^Setting lora_r = 3: the model's adapter has 2; /,
    });
  });
});

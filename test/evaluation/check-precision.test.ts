import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { checkPrecision, comparedPredictions, distance } from '../../src/evaluation/check-precision.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { formName, readServingPrecision } from '../../src/model/serving-precision.ts';
import { dataHome } from '../../src/platform/files.ts';
import { everyOption, oneThread, tinyCheckpoint, writeTinyCheckpoint } from '../model/tiny-model.ts';

describe('the distance of predictions', () => {
  it('is the mean KL divergence and the share of equal likeliest tokens', () => {
    const exact = [Float32Array.of(Math.log(3), 0, /* next position */ 0, Math.log(3))];
    const found = [Float32Array.of(0, 0, 0, Math.log(3))];
    const { kl, agreement } = distance(exact, found, 2);
    // The first position is (3/4, 1/4) against (1/2, 1/2), the second is equal; of equal logits the first is the
    // likeliest.
    const first = 0.75 * Math.log(0.75 / 0.5) + 0.25 * Math.log(0.25 / 0.5);
    assert.ok(Math.abs(kl - first / 2) < 1e-6, `${kl}`);
    assert.equal(agreement, 1);
    assert.equal(distance([Float32Array.of(0, 1)], [Float32Array.of(1, 0)], 2).agreement, 0);
    assert.equal(distance(exact, exact, 2).kl, 0);
  });
});

describe('the predictions that are compared', () => {
  const text = Int32Array.of(5, 6, 7, 8, 9, 4);
  const of = (changes: Partial<ModelConfig>, gap_decoding?: 'drafts' | 'copied-drafts' | 'denoise') => {
    const { config, generation } = tinyCheckpoint(changes);
    return comparedPredictions({ config, generation: { ...generation, gap_decoding } }, text, 0);
  };
  const converted = { attention: 'causal-context', mask_token_id: 2, eom_token_id: 3, prefix_token_id: 1 } as const;

  it('are those of masked tokens for a model that denoises', () => {
    for (const query of [of({ attention: 'full' }), of(converted), of(converted, 'denoise')]) {
      assert.ok(query.positions.length > 0);
      for (const position of query.positions) assert.equal(query.tokens[position], 2);
    }
  });

  it('are those from the left for a model that writes from the left', () => {
    const positions = [1, 2, 3, 4, 5];
    const autoregressive = of({ attention: 'causal', mask_token_id: undefined, logit_shift: true });
    assert.deepEqual(autoregressive, { tokens: text, positions, canvas: 0 });
    for (const decoding of ['drafts', 'copied-drafts'] as const)
      assert.deepEqual(of(converted, decoding), { tokens: text, positions, canvas: 6 });
  });
});

describe('checkPrecision', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'unmask-check-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const attention of ['full', 'causal', 'prefix-lm', 'block-causal'] as const)
    it(`compares every serving precision with f32 and stores the choice, with ${attention} attention`, async () => {
      const model = await writeTinyCheckpoint(path.join(folder, attention), { ...everyOption, attention });
      assert.deepEqual(await readServingPrecision(model), { precision: 'f32' }, 'nothing has been checked yet');
      const engine = oneThread();
      const lines: string[] = [];
      const { rows, chosen } = await checkPrecision(engine, await resolveModel(model), {
        progress: (line) => lines.push(line),
      });
      assert.deepEqual(
        rows.map(({ form }) => form),
        ['f32', 'w8a8+smooth', 'w8a8', 'w7a8+smooth'],
      );
      const [f32, ...others] = rows;
      assert.equal(f32!.kl, 0);
      for (const { form, kl } of others) assert.ok(kl > 0 && kl < 0.5, `${form}: ${kl}`);
      const row = rows.find(({ form }) => form === chosen)!;
      assert.ok(row.kl <= 0.02 && row.agreement >= 0.9);
      const faster = rows.filter(({ milliseconds }) => milliseconds < row.milliseconds);
      assert.ok(
        faster.every(({ kl, agreement }) => kl > 0.02 || agreement < 0.9),
        'the fastest form within the bounds is chosen',
      );
      const kept = await readServingPrecision(model);
      assert.equal(formName(kept), chosen);
      const served = await LanguageModel.loadFrozen(
        engine,
        await openCheckpoint(await resolveModel(model)),
        kept.precision,
        kept,
      );
      await served.dispose();
      await engine.dispose();
      assert.equal(lines.length, 4);
    });

  it('repeats the check if the weights were rewritten or the record is damaged', async () => {
    const model = path.join(folder, 'full');
    const records = path.join(dataHome(), 'cache', 'precision');
    const before = await readServingPrecision(model);
    for (const record of await readdir(records)) {
      const file = path.join(records, record, 'check.json');
      await writeFile(file, '{"key":');
    }
    assert.deepEqual(await readServingPrecision(model), { precision: 'f32' });
    const engine = oneThread();
    await checkPrecision(engine, await resolveModel(model));
    await engine.dispose();
    assert.ok(before.precision.length > 1);
    await writeTinyCheckpoint(model, { ...everyOption, attention: 'full' }, 2);
    assert.deepEqual(await readServingPrecision(model), { precision: 'f32' }, 'other weights were not checked');
  });
});

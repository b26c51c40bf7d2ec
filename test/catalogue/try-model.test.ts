import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { tryModel } from '../../src/catalogue/try-model.ts';
import { readSafetensors, writeSafetensors } from '../../src/model/safetensors.ts';
import { oneThread, writeTinyCheckpoint } from '../model/tiny-model.ts';

let root: string;
let whole: string;
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'unmask-trial-'));
  whole = await writeTinyCheckpoint(path.join(root, 'whole'), { num_hidden_layers: 3 });
});
after(() => rm(root, { recursive: true }));

const trialOf = (folder: string, memory?: number) =>
  tryModel(folder, {
    engine: oneThread(),
    signal: new AbortController().signal,
    progress: () => undefined,
    ...(memory === undefined ? {} : { memory }),
  });

/** A copy of the model with other weights. */
async function withWeights(name: string, change: (tensor: Float32Array) => void): Promise<string> {
  const folder = path.join(root, name);
  await cp(whole, folder, { recursive: true });
  const file = path.join(folder, 'model.safetensors');
  const tensors = await readSafetensors(file);
  change(tensors.get('model.layers.2.mlp.up_proj.weight')!.data as Float32Array);
  await writeSafetensors(file, tensors);
  return folder;
}

it('a whole model is tried through all layers, or the first two if the memory is short', async () => {
  assert.deepEqual(await trialOf(whole), { layers: 3, of: 3, warnings: [], problem: null });
  assert.deepEqual(await trialOf(whole, 0), { layers: 2, of: 3, warnings: [], problem: null });
});

it('a weight that is not finite, and predictions that are not, are problems', async () => {
  const broken = await withWeights('broken', (data) => data.fill(Number.NaN, 0, 1));
  assert.match((await trialOf(broken)).problem ?? '', /up_proj\.weight holds values that are not finite/);
  const huge = await withWeights('huge', (data) => data.fill(3e38));
  assert.match((await trialOf(huge)).problem ?? '', /The model predicts values that are not finite/);
});

it('a tokenizer that does not restore its text is a problem', async () => {
  const folder = path.join(root, 'tokenizer');
  await cp(whole, folder, { recursive: true });
  const file = path.join(folder, 'tokenizer.json');
  const tokenizer = JSON.parse(await readFile(file, 'utf8')) as { decoder: unknown };
  tokenizer.decoder = { type: 'Replace', pattern: { String: '2' }, content: '22' };
  await writeFile(file, JSON.stringify(tokenizer));
  assert.match((await trialOf(folder)).problem ?? '', /does not restore a text/);
});

it('an outlier among the weights is a warning', async () => {
  const folder = await withWeights('outlier', (data) => {
    data[5] = 1e5;
  });
  const { warnings, problem } = await trialOf(folder);
  assert.equal(problem, null);
  assert.match(warnings.join(), /^Weights of more than 10,000 times .* in model\.layers\.2\.mlp\.up_proj\.weight;/);
});

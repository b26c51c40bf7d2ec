import assert from 'node:assert/strict';
import { it } from 'node:test';
import { maskExactCount } from '../../src/diffusion/masking.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Random } from '../../src/platform/random.ts';
import { BoundEstimator } from '../../src/tuning/likelihoods/bounds.ts';
import { logProbability, referencePredictions } from '../model/reference-transformer.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';
import { referenceBounds } from './reference-spg.ts';

const mask = 2;

it("the gap is the mean of upper minus lower bound per token, in the paper's form, and changes nothing", async () => {
  const checkpoint = tinyCheckpoint();
  const { config, weights } = checkpoint;
  const model = await LanguageModel.load(oneThread(), checkpoint);
  const bounds = new BoundEstimator(model);
  const random = new Random(1, 'texts');
  // More completions than fit into one pass; some end early.
  const completions = Array.from({ length: 35 }, (_, index) => {
    const length = 1 + (index % 6);
    const tokens = Array.from({ length: 6 }, (_, i) => (i < length ? 4 + random.integer(15) : 0));
    return { prompt: Int32Array.of(4, 5), tokens: Int32Array.from(tokens), length, advantage: 0 };
  });
  const [beta, samples, seed] = [1.5, 3, 9];
  const gaps = completions.map(({ prompt, tokens, length }, index) => {
    const stream = new Random(seed, 'gap', index);
    const masks = Array.from({ length: samples }, () => {
      const { masked } = maskExactCount(length, stream);
      return Array.from(tokens, (_, i) => (i < length ? masked[i]! : 1));
    });
    const logp = masks.map((bits) => {
      const seen = [...prompt, ...Array.from(tokens, (token, i) => (bits[i] ? mask : token))];
      const logits = referencePredictions(config, weights, seen);
      return Array.from(tokens, (token, i) => logProbability(logits[prompt.length + i]!, token));
    });
    const { elbo, eubo } = referenceBounds({ length, logp, masks }, { estimator: 'paper', beta });
    return (eubo - elbo) / length;
  });
  const expected = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const found = await bounds.gap(completions, { beta, samples, seed });
  assert.ok(Math.abs(found - expected) < 2e-4 * Math.abs(expected), `${found}, not ${expected}`);
  assert.equal(await bounds.gap(completions, { beta, samples, seed }), found);
  for (const [name, { data }] of weights) assert.deepEqual((await model.state.read(name)).data, data, name);
  await model.dispose();
});

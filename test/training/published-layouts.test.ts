import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import type { OptimizerOptions } from '../../src/graph/optimizer.ts';
import { openCheckpoint, readCheckpoint } from '../../src/model/checkpoint.ts';
import { maskToken } from '../../src/model/config.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Random } from '../../src/platform/random.ts';
import { type Example, maskedDiffusionBatch, maskedDiffusionLoss } from '../../src/training/masked-diffusion-loss.ts';
import { Trainer, trainingState } from '../../src/training/trainer.ts';
import { oneThread } from '../model/tiny-model.ts';

const optimizer: OptimizerOptions = {
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 1e-8,
  weightDecay: 0.1,
  maxGradNorm: 1,
  schedule: { learningRate: 3e-3, warmup: 0, decay: 'constant', steps: 1, floor: 0 },
};
const examples: Example[] = [
  { tokens: [20, 21, 22, 23, 24, 25, 26, 1], canvases: [{ start: 3, end: 8 }] },
  { tokens: [50, 49, 48, 47, 46, 45, 1, 1], canvases: [{ start: 2, end: 8 }] },
];

for (const layout of ['open-dcoder', 'llada2-moe'])
  describe(`training a model of the layout ${layout}`, () => {
    const folder = path.join(import.meta.dirname, '..', 'model', 'references', layout);
    const load = async () => {
      const checkpoint = await openCheckpoint(await resolveModel(folder));
      const model = await LanguageModel.load(oneThread(), checkpoint, trainingState(checkpoint.config));
      const { pad_token_id: pad } = model.config;
      const mask = maskToken(model.config);
      const batch = maskedDiffusionBatch(examples, { mask, pad }, 'exact-count', new Random(5, layout));
      return { model, batch, trainer: new Trainer(model, maskedDiffusionLoss, optimizer) };
    };

    it('reduces the loss at the rate of the gradient', async () => {
      const { model, batch, trainer } = await load();
      const weights = await model.readWeights();
      const gradients = await trainer.gradients([batch]);
      let square = 0;
      for (const { data } of gradients.values()) for (const value of data) square += value * value;
      const step = 0.02 / square;
      const lossAlong = async (distance: number) => {
        for (const [name, { shape, data }] of weights) {
          const slope = gradients.get(name)!.data;
          await model.state.write(name, {
            shape,
            data: Float32Array.from(data, (value, i) => value + distance * slope[i]!),
          });
        }
        return (await trainer.evaluate(batch)).loss;
      };
      const change = ((await lossAlong(step)) - (await lossAlong(-step))) / (2 * step);
      assert.ok(Math.abs(change / square - 1) < 0.02, `the loss changes by ${change}, the gradient predicts ${square}`);
      await trainer.dispose();
      await model.dispose();
    });

    it('learns a batch, and can be restored from its checkpoint', async () => {
      const { model, batch, trainer } = await load();
      const bias = 'model.layers.1.mlp.gate.expert_bias';
      const before = model.state.shapes.has(bias) ? await model.state.read(bias) : null;
      const losses: number[] = [];
      for (let step = 0; step < 20; step++) losses.push((await trainer.step([batch])).loss);
      assert.ok(losses.at(-1)! < 0.5 * losses[0]!, losses.join(' '));
      // The bias that steers the choice of experts has no gradient.
      if (before) assert.deepEqual(await model.state.read(bias), before);

      const saved = await mkdtemp(path.join(tmpdir(), 'unmask-published-'));
      try {
        await model.save(saved);
        const again = await readCheckpoint(await resolveModel(saved));
        assert.deepEqual(again.config, model.config);
        assert.deepEqual(again.weights, await model.readWeights());
        const other = await LanguageModel.load(oneThread(), again);
        const tokens = Int32Array.of(20, 21, 22, 3, 3, 25);
        assert.deepEqual(await other.rawLogits(tokens), await model.rawLogits(tokens));
        assert.deepEqual(other.tokenizer.encode('a b'), model.tokenizer.encode('a b'));
        await other.dispose();
      } finally {
        await rm(saved, { recursive: true });
      }
      await trainer.dispose();
      await model.dispose();
    });
  });

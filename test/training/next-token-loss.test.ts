import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OptimizerOptions } from '../../src/graph/optimizer.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Random } from '../../src/platform/random.ts';
import type { Example } from '../../src/training/masked-diffusion-loss.ts';
import { nextTokenBatch, nextTokenLoss } from '../../src/training/next-token-loss.ts';
import { Trainer, trainingState } from '../../src/training/trainer.ts';
import { logProbability, referencePredictions } from '../model/reference-transformer.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';

const causal = { attention: 'causal', logit_shift: true, num_hidden_layers: 2 } as const;
const optimizer: OptimizerOptions = {
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 1e-8,
  weightDecay: 0,
  maxGradNorm: 1,
  schedule: { learningRate: 0.02, warmup: 0, decay: 'constant', steps: 1, floor: 0 },
};
const load = async (checkpoint = tinyCheckpoint(causal)) => {
  const model = await LanguageModel.load(oneThread(), checkpoint, trainingState(checkpoint.config));
  return { model, checkpoint, trainer: new Trainer(model, nextTokenLoss, optimizer) };
};

describe('the loss of the next token', () => {
  it('is the mean of minus log p over the predicted tokens, each from the preceding tokens only', async () => {
    const examples: Example[] = [
      { tokens: [4, 5, 6, 7, 8, 1], canvases: [{ start: 1, end: 6 }] },
      { tokens: [5, 3, 3, 4], canvases: [{ start: 2, end: 4 }] },
    ];
    const { model, checkpoint, trainer } = await load();
    const { loss } = await trainer.evaluate(nextTokenBatch(examples, 0));
    const expected = examples.flatMap(({ tokens, canvases }) => {
      const logits = referencePredictions(checkpoint.config, checkpoint.weights, tokens);
      const [{ start, end }] = canvases as [{ start: number; end: number }];
      return Array.from({ length: end - start }, (_, at) => -logProbability(logits[start + at]!, tokens[start + at]!));
    });
    const mean = expected.reduce((sum, one) => sum + one, 0) / expected.length;
    assert.equal(expected.length, 7);
    assert.ok(Math.abs(loss - mean) < 1e-4, `${loss} and ${mean}`);
    await trainer.dispose();
    await model.dispose();
  });

  it('masks nothing, pads, and rejects a target without preceding tokens', () => {
    const { tokens, present, rows, targets, extra } = nextTokenBatch(
      [{ tokens: [4, 5, 6], canvases: [{ start: 1, end: 3 }] }],
      9,
    );
    assert.deepEqual(Array.from(tokens.data.slice(0, 5)), [4, 5, 6, 9, 9]);
    assert.deepEqual(Array.from(present!.data.slice(0, 4)), [1, 1, 1, 0]);
    assert.deepEqual(Array.from(rows.data.slice(0, 4)), [0, 1, 2, 3]);
    assert.deepEqual(Array.from(targets.data.slice(0, 4)), [4, 5, 6, 9]);
    assert.deepEqual(Array.from(extra.weights!.data.slice(0, 4)), [0, 0.5, 0.5, 0]);
    const first = [{ tokens: [4, 5], canvases: [{ start: 0, end: 2 }] }];
    assert.throws(() => nextTokenBatch(first, 0), /the first token/);
  });

  it('falls to the entropy of a known source', async () => {
    const { model, trainer } = await load();
    const random = new Random(1, 'coins');
    // Three of four tokens are 4, the others 5, independently of the context.
    const draw = () => Array.from({ length: 33 }, () => (random.uniform() < 0.75 ? 4 : 5));
    const batch = () =>
      nextTokenBatch(
        Array.from({ length: 16 }, () => ({ tokens: draw(), canvases: [{ start: 1, end: 33 }] })),
        0,
      );
    for (let step = 0; step < 60; step++) await trainer.step([batch()]);
    let loss = 0;
    for (let round = 0; round < 8; round++) loss += (await trainer.evaluate(batch())).loss / 8;
    const entropy = -0.75 * Math.log(0.75) - 0.25 * Math.log(0.25);
    assert.ok(Math.abs(loss - entropy) < 0.03, `${loss} and ${entropy}`);
    await trainer.dispose();
    await model.dispose();
  });
});

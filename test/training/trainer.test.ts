import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OptimizerOptions } from '../../src/graph/optimizer.ts';
import type { Checkpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Random } from '../../src/platform/random.ts';
import { type Example, maskedDiffusionBatch, maskedDiffusionLoss } from '../../src/training/masked-diffusion-loss.ts';
import { type Batch, Trainer, trainingState } from '../../src/training/trainer.ts';
import {
  finiteDifferences,
  logProbability,
  type ReferenceWeights,
  referencePredictions,
} from '../model/reference-transformer.ts';
import { everyOption, oneThread, tinyCheckpoint } from '../model/tiny-model.ts';

const special = { mask: 2, pad: 0 };
/** After one step, the first moment is half of the gradient. */
const optimizer: OptimizerOptions = {
  beta1: 0.5,
  beta2: 0.9,
  epsilon: 1e-6,
  weightDecay: 0,
  maxGradNorm: 0,
  schedule: { learningRate: 1e-3, warmup: 0, decay: 'constant', steps: 1, floor: 0 },
};

const load = (checkpoint: Checkpoint) => LanguageModel.load(oneThread(), checkpoint, trainingState(checkpoint.config));

/** The loss of a batch, from its inputs, on the transformer in double precision. */
function referenceLoss({ config }: Checkpoint, weights: ReferenceWeights, batch: Batch): number {
  const [count, length] = batch.tokens.shape as [number, number];
  const kept = (row: number) =>
    batch.present ? batch.present.data.slice(row * length, (row + 1) * length).lastIndexOf(1) + 1 : length;
  const logits = Array.from({ length: count }, (_, row) =>
    referencePredictions(config, weights, batch.tokens.data.slice(row * length, row * length + kept(row))),
  );
  let loss = 0;
  batch.rows.data.forEach((position, entry) => {
    const weight = batch.extra.weights!.data[entry]!;
    if (weight === 0) return;
    const own = logits[Math.floor(position / length)]![position % length]!;
    loss -= weight * logProbability(own, batch.targets.data[entry]!);
  });
  return loss;
}

const examples: Example[] = [
  { tokens: [4, 5, 6, 7, 8, 1], canvases: [{ start: 2, end: 6 }] },
  { tokens: [5, 3, 3, 4], canvases: [{ start: 1, end: 4 }] },
  { tokens: [7, 7], canvases: [{ start: 0, end: 2 }] },
];

describe('a batch of the masked diffusion loss', () => {
  it('masks completions only, pads, and weights tokens so that the loss is the mean of minus the ELBO per token', () => {
    const counts = new Map<string, number>();
    for (let draw = 0; draw < 200; draw++) {
      const random = new Random(draw, 'batch');
      const { tokens, present, rows, targets, extra } = maskedDiffusionBatch(examples, special, 'exact-count', random);
      const length = tokens.shape[1]!;
      assert.ok(length >= 6);
      const shown = examples.map((example, row) => {
        const own = [...tokens.data.slice(row * length, (row + 1) * length)];
        const there = [...present!.data.slice(row * length, (row + 1) * length)];
        assert.deepEqual(
          there,
          own.map((_, position) => Number(position < example.tokens.length)),
        );
        assert.ok(own.slice(example.tokens.length).every((token) => token === special.pad));
        const { start } = example.canvases[0]!;
        assert.deepEqual(own.slice(0, start), Array.from(example.tokens).slice(0, start));
        return own;
      });
      const weights = extra.weights!.data;
      const seen = examples.map(() => 0);
      rows.data.forEach((position, entry) => {
        const [row, column] = [Math.floor(position / length), position % length];
        if (weights[entry] === 0) return;
        assert.equal(shown[row]![column], special.mask, 'only masked tokens are predicted');
        assert.equal(targets.data[entry], examples[row]!.tokens[column]);
        seen[row]!++;
      });
      examples.forEach(({ tokens: text, canvases }, row) => {
        const answer = text.length - canvases[0]!.start;
        const masked = shown[row]!.filter((token) => token === special.mask).length;
        assert.equal(seen[row], masked, 'every masked token is predicted once');
        assert.ok(masked >= 1 && masked <= answer);
        // n / l for the ELBO, over n tokens and three examples.
        rows.data.forEach((position, entry) => {
          if (Math.floor(position / length) !== row || weights[entry] === 0) return;
          assert.ok(Math.abs(weights[entry]! - 1 / masked / 3) < 1e-6);
        });
        counts.set(`${row} ${masked}`, (counts.get(`${row} ${masked}`) ?? 0) + 1);
      });
    }
    assert.equal(counts.size, 4 + 3 + 2, 'every count of every example occurs');
  });

  it('masks each canvas separately, and gives examples equal weight for any number of canvases', () => {
    const tokens = [4, 5, 6, 7, 8, 4, 5, 6];
    const parts = [
      { start: 1, end: 3, importance: [1, 0.5] },
      { start: 5, end: 8 },
    ];
    let sum = 0;
    for (let draw = 0; draw < 2000; draw++) {
      const random = new Random(draw, 'several');
      const { canvas, rows, extra, ...batch } = maskedDiffusionBatch(
        [{ tokens, canvases: parts }],
        special,
        'stratified',
        random,
      );
      assert.deepEqual([...canvas!.data].slice(0, 8), [0, 1, 1, 0, 0, 1, 1, 1]);
      const masked = tokens.flatMap((_, position) => (batch.tokens.data[position] === special.mask ? [position] : []));
      assert.ok(
        masked.some((position) => position < 3) && masked.some((position) => position >= 5),
        'each has its own time',
      );
      assert.ok(masked.every((position) => canvas!.data[position] === 1));
      const predicted = [...rows.data].filter((_, entry) => extra.weights!.data[entry] !== 0);
      assert.deepEqual(predicted.sort(), masked);
      for (const weight of extra.weights!.data) sum += weight;
    }
    // n / l for a canvas of n tokens, l of them masked, over their total weight: 1 on average.
    assert.ok(Math.abs(sum / 2000 - 1) < 0.02, `${sum / 2000}`);
  });

  it('omits the padding mask if all rows have the same length', () => {
    const even = maskedDiffusionBatch([examples[0]!, examples[0]!], special, 'random-time', new Random(1, 'even'));
    assert.equal(even.present, undefined);
    assert.deepEqual(even.tokens.shape, [2, 6]);
  });
});

describe('a training step', () => {
  for (const [name, changes] of [
    ['a plain model', {}],
    ['a model with every option', everyOption],
  ] as const)
    it(`computes the loss and its gradient with respect to every weight of ${name}`, async () => {
      const checkpoint = tinyCheckpoint({ vocab_size: 9, ...changes });
      const model = await load(checkpoint);
      const batch = maskedDiffusionBatch(examples, special, 'exact-count', new Random(4, 'gradient'));
      const trainer = new Trainer(model, maskedDiffusionLoss, optimizer);
      const expected = referenceLoss(checkpoint, checkpoint.weights, batch);
      const evaluated = await trainer.evaluate(batch);
      assert.ok(Math.abs(evaluated.loss - expected) < 1e-4, `${evaluated.loss}, not ${expected}`);
      const { loss, gradNorm } = await trainer.step([batch]);
      assert.ok(Math.abs(loss - expected) < 1e-4);
      const slopes = finiteDifferences(checkpoint.weights, (weights) => referenceLoss(checkpoint, weights, batch));
      let squares = 0;
      for (const [parameter, positions] of slopes) {
        const { data } = await model.state.read(`optimizer.m.${parameter}`);
        const gradient = Array.from(data, (moment) => moment / (1 - optimizer.beta1));
        const scale = Math.max(...gradient.map(Math.abs));
        for (const slope of gradient) squares += slope * slope;
        for (const [position, expected] of positions)
          assert.ok(
            Math.abs(gradient[position]! - expected) < 1e-4 * scale + 1e-6,
            `${parameter}[${position}]: ${gradient[position]}, not ${expected}`,
          );
        // Without rotary positions, a bias common to all keys would shift every score of a query equally.
        assert.ok(scale > 1e-5, `${parameter} has a gradient`);
      }
      assert.ok(Math.abs(gradNorm - Math.sqrt(squares)) < 1e-4 * Math.sqrt(squares), 'the global norm');
      await trainer.dispose();
      await model.dispose();
    });

  it('in several batches equals one step on all of them, and clears the gradients', async () => {
    const checkpoint = tinyCheckpoint(everyOption);
    const random = new Random(5, 'parts');
    const parts = [0, 1, 2].map(() => {
      const batch = maskedDiffusionBatch([examples[0]!, examples[0]!], special, 'exact-count', random);
      return { ...batch, present: { shape: [2, 6], data: new Float32Array(12).fill(1) } };
    });
    const rowsOf = (batch: Batch, index: number) => batch.rows.data.map((position) => position + index * 12);
    const joined = (pick: (batch: Batch, index: number) => ArrayLike<number>) =>
      parts.flatMap((batch, index) => Array.from(pick(batch, index)));
    const whole: Batch = {
      tokens: { shape: [6, 6], data: Int32Array.from(joined(({ tokens }) => tokens.data)) },
      present: { shape: [6, 6], data: new Float32Array(36).fill(1) },
      rows: { shape: [parts[0]!.rows.shape[0]! * 3], data: Int32Array.from(joined(rowsOf)) },
      targets: { shape: [parts[0]!.rows.shape[0]! * 3], data: Int32Array.from(joined(({ targets }) => targets.data)) },
      extra: {
        weights: {
          shape: [parts[0]!.rows.shape[0]! * 3],
          data: Float32Array.from(joined(({ extra }) => extra.weights!.data)),
        },
      },
    };
    const [one, three] = [await load(checkpoint), await load(checkpoint)];
    const trainers = [
      new Trainer(one, maskedDiffusionLoss, optimizer),
      new Trainer(three, maskedDiffusionLoss, optimizer),
    ];
    for (let step = 0; step < 3; step++) {
      const a = await trainers[0]!.step([whole]);
      const b = await trainers[1]!.step(parts);
      for (const name of ['loss', 'gradNorm', 'learningRate'] as const)
        assert.ok(Math.abs(a[name] - b[name]) < 1e-4 * Math.max(1, a[name]), `${name}: ${a[name]} and ${b[name]}`);
      assert.equal(b.metrics.length, 3);
    }
    const other = await three.readWeights();
    for (const [name, { data }] of await one.readWeights())
      data.forEach((value, position) => {
        assert.ok(Math.abs(value - other.get(name)!.data[position]!) < 2e-4, `${name}[${position}]`);
      });
    for (const name of checkpoint.weights.keys())
      assert.ok((await three.state.read(`gradient.${name}`)).data.every((value) => value === 0));
    await one.dispose();
    await three.dispose();
  });

  it('memorises a text', async () => {
    const checkpoint = tinyCheckpoint({ hidden_size: 16, head_dim: 8 });
    const model = await load(checkpoint);
    const schedule = { ...optimizer.schedule, learningRate: 0.01 };
    const trainer = new Trainer(model, maskedDiffusionLoss, {
      ...optimizer,
      beta1: 0.9,
      beta2: 0.99,
      maxGradNorm: 1,
      schedule,
    });
    const losses: number[] = [];
    for (let step = 0; step < 180; step++) {
      const batch = maskedDiffusionBatch(
        Array.from({ length: 8 }, () => examples[0]!),
        special,
        'exact-count',
        new Random(step, 'learn'),
      );
      losses.push((await trainer.step([batch])).loss);
    }
    const last = losses.slice(-10).reduce((sum, loss) => sum + loss / 10, 0);
    assert.ok(losses[0]! > 2 && last < 0.05, `${losses[0]} at first, ${last} at last`);
    await trainer.dispose();
    await model.dispose();
  });
});

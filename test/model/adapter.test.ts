import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DecodingSession } from '../../src/diffusion/decoding-session.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { total } from '../../src/graph/compositions.ts';
import type { OptimizerOptions } from '../../src/graph/optimizer.ts';
import { mul, neg } from '../../src/graph/primitives.ts';
import type { Checkpoint } from '../../src/model/checkpoint.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { initialLora } from '../../src/model/lora.ts';
import { mergeAdapter } from '../../src/model/merge-adapter.ts';
import { weightsAsKept } from '../../src/model/precision.ts';
import { Random } from '../../src/platform/random.ts';
import { type Batch, type Loss, Trainer, trainingState } from '../../src/training/trainer.ts';
import { engines } from '../graph/engines.ts';
import { assertNear } from './assert-near.ts';
import {
  finiteDifferences,
  logProbability,
  type ReferenceWeights,
  referenceLogits,
  referencePredictions,
} from './reference-transformer.ts';
import { adapted, referenceMerge } from './tiny-adapter.ts';
import { everyOption, oneThread, tinyCheckpoint } from './tiny-model.ts';

const engine = oneThread();
const variants: Readonly<Record<string, Partial<ModelConfig>>> = {
  'a plain model': {},
  'a model with every option': everyOption,
  'a model that encodes its context once': { attention: 'prefix-lm', num_hidden_layers: 2, qk_norm: true },
};

const optimizer: OptimizerOptions = {
  beta1: 0.5,
  beta2: 0.9,
  epsilon: 1e-4,
  weightDecay: 0.1,
  maxGradNorm: 0,
  schedule: { learningRate: 0.01, warmup: 0, decay: 'constant', steps: 1, floor: 0 },
};

const negativeLogLikelihood: Loss = {
  name: 'negative log-likelihood',
  define: ({ logp, extra }) => ({ loss: neg(total(mul(logp, extra('weight')))) }),
};

const tokens = Int32Array.of(4, 9, 2, 7, 2, 5, 2, 8);
const places = [2, 4, 6, 7];
const targets = [6, 5, 11, 3];
const weight = [0.5, 1, 0.25, 2];
/** A row of eight tokens without a context. */
const batch: Batch = {
  tokens: { shape: [1, tokens.length], data: tokens },
  canvas: { shape: [1, tokens.length], data: new Float32Array(tokens.length).fill(1) },
  rows: { shape: [places.length], data: Int32Array.from(places) },
  targets: { shape: [places.length], data: Int32Array.from(targets) },
  extra: { weight: { shape: [places.length], data: Float32Array.from(weight) } },
};

function slowLoss(config: ModelConfig, weights: ReferenceWeights): number {
  const logits = referencePredictions(config, weights, tokens);
  return -places.reduce(
    (sum, position, index) => sum + weight[index]! * logProbability(logits[position]!, targets[index]!),
    0,
  );
}

const load = (checkpoint: Checkpoint, on: Engine = engine) =>
  LanguageModel.load(on, checkpoint, trainingState(checkpoint.config, checkpoint.adapter));

/** A model's logits for some rows, computed in every supported way. */
async function everyWay(model: LanguageModel): Promise<Float32Array[]> {
  const rows = [tokens, tokens.slice(0, 5)].map((row) => ({
    tokens: row,
    positions: [...row.keys()].filter((position) => position >= 2),
    canvas: 2,
  }));
  const session = new DecodingSession(model);
  const canvases = [];
  for (const row of rows) {
    const context = await session.open({ prompt: row.tokens.subarray(0, 2), width: row.tokens.length - 2 });
    const positions = row.positions.map((position) => position - 2);
    canvases.push({ context, tokens: row.tokens.slice(2), positions });
  }
  const inSession = (await session.logits(canvases)).map((rows) => Float32Array.from(rows.flatMap((row) => [...row])));
  session.dispose();
  return [await model.rawLogits(tokens), ...(await model.logits(rows)), ...inSession];
}

describe('an adapter', () => {
  for (const [name, changes] of Object.entries(variants)) {
    it(`with B = 0 leaves the logits of ${name} bit-identical`, async () => {
      const checkpoint = tinyCheckpoint(changes);
      const shape = adapted(checkpoint).adapter;
      const weights = initialLora(checkpoint.config, shape, new Random(1, 'adapter'));
      for (const [factor, { data }] of weights)
        assert.equal(
          data.every((x) => x === 0),
          factor.includes('lora_B'),
        );
      const [plain, adaptedModel] = [
        await load(checkpoint),
        await load({ ...checkpoint, adapter: { ...shape, weights } }),
      ];
      assert.deepEqual(await everyWay(adaptedModel), await everyWay(plain));
      await plain.dispose();
      await adaptedModel.dispose();
    });

    it(`on ${name} follows its definition, and so does the merged model`, async () => {
      const checkpoint = adapted(tinyCheckpoint(changes));
      const merged = await mergeAdapter(engine, checkpoint);
      assert.equal(merged.adapter, undefined);
      const slow = referenceMerge(checkpoint, new Map([...checkpoint.weights, ...checkpoint.adapter.weights]));
      const expected = referenceLogits(checkpoint.config, slow, tokens).flat();
      const [model, full, base] = [await load(checkpoint), await load(merged), await load(tinyCheckpoint(changes))];
      assertNear(await model.rawLogits(tokens), expected, 'raw logits');
      const [found, same, plain] = [await everyWay(model), await everyWay(full), await everyWay(base)];
      for (const [way, logits] of found.entries()) {
        assertNear(logits, same[way]!, `way ${way}`);
        assert.notDeepEqual(logits, plain[way], `the adapter has an effect in way ${way}`);
      }
      for (const one of [model, full, base]) await one.dispose();
    });
  }

  it('may adapt only some projections', async () => {
    const checkpoint = adapted(tinyCheckpoint(), { targets: ['v_proj', 'down_proj'] });
    assert.deepEqual(
      [...checkpoint.adapter.weights].map(([name, { shape }]) => `${name} ${shape}`),
      [
        'model.layers.0.self_attn.v_proj.lora_A.weight 3,8',
        'model.layers.0.self_attn.v_proj.lora_B.weight 8,3',
        'model.layers.0.mlp.down_proj.lora_A.weight 3,12',
        'model.layers.0.mlp.down_proj.lora_B.weight 8,3',
      ],
    );
    const slow = referenceMerge(checkpoint, new Map([...checkpoint.weights, ...checkpoint.adapter.weights]));
    const model = await load(checkpoint);
    assertNear(await model.rawLogits(tokens), referenceLogits(checkpoint.config, slow, tokens).flat(), 'logits');
    await model.dispose();
  });
});

describe('training an adapter', () => {
  for (const { label, open } of engines.slice(0, 2))
    it(`computes the gradients of both factors on ${label}`, async () => {
      const opened = await open();
      const checkpoint = adapted(tinyCheckpoint(everyOption));
      const model = await load(checkpoint, opened);
      const trainer = new Trainer(model, negativeLogLikelihood, optimizer);
      const slow = (factors: ReferenceWeights) =>
        slowLoss(checkpoint.config, referenceMerge(checkpoint, new Map([...checkpoint.weights, ...factors])));
      const { loss } = await trainer.evaluate(batch);
      assert.ok(Math.abs(loss - slow(checkpoint.adapter.weights)) < 1e-4);
      const gradients = await trainer.gradients([batch]);
      assert.deepEqual([...gradients.keys()], [...checkpoint.adapter.weights.keys()]);
      for (const [name, slopes] of finiteDifferences(checkpoint.adapter.weights, slow, 3)) {
        const { data } = gradients.get(name)!;
        const scale = Math.max(...data.map(Math.abs));
        assert.ok(scale > 1e-5, `${name} has a gradient`);
        for (const [position, slope] of slopes)
          assert.ok(
            Math.abs(data[position]! - slope) < 2e-4 * scale + 1e-6,
            `${name}[${position}]: ${data[position]}, ${slope}`,
          );
      }
      await trainer.dispose();
      await model.dispose();
      await opened.dispose();
    });

  it('does not change the base, stores nothing of it twice, and learns', async () => {
    const checkpoint = adapted(tinyCheckpoint());
    const before = new Map([...checkpoint.weights].map(([name, { data }]) => [name, data.slice()]));
    const model = await load(checkpoint);
    const trainer = new Trainer(model, negativeLogLikelihood, optimizer);
    const losses: number[] = [];
    for (let step = 0; step < 8; step++) losses.push((await trainer.step([batch])).loss);
    // Several batches use the code path of accumulated gradients.
    losses.push((await trainer.step([batch, batch])).loss / 2);
    assert.ok(losses.at(-1)! < 0.8 * losses[0]!, `${losses}`);
    for (const [name, data] of before) assert.deepEqual((await model.state.read(name)).data, data, name);
    for (const name of model.state.shapes.keys())
      assert.ok(before.has(name) || name.includes('lora_') || name === 'optimizer.step', name);
    for (const [name, { data }] of checkpoint.adapter.weights)
      assert.notDeepEqual((await model.state.read(name)).data, data, `${name} moved`);
    await assert.rejects(model.state.write('model.norm.weight', { shape: [8], data: new Float32Array(8) }), /frozen/);
    await trainer.dispose();
    await model.dispose();
  });

  it('changes only the adapter: a copy that shares the base stays the same', async () => {
    const checkpoint = adapted(tinyCheckpoint());
    const model = await load(checkpoint);
    const copy = await model.copy(await model.readWeights());
    const before = await everyWay(model);
    const trainer = new Trainer(model, negativeLogLikelihood, optimizer);
    await trainer.step([batch]);
    assert.deepEqual(await everyWay(copy), before);
    assert.notDeepEqual(await everyWay(model), before);
    await trainer.dispose();
    await copy.dispose();
    await model.dispose();
  });
});

describe('a quantized base', () => {
  const wide = { hidden_size: 32, intermediate_size: 64, num_attention_heads: 4, head_dim: 8, num_hidden_layers: 2 };
  for (const precision of ['int8', 'int4'] as const)
    for (const { label, open } of engines.slice(0, 2))
      it(`of ${precision} on ${label} gives the logits and gradients of its dequantized weights`, async () => {
        const opened = await open();
        const checkpoint = adapted(tinyCheckpoint(wide), { precision });
        const { config, adapter } = checkpoint;
        const weights = weightsAsKept(config, checkpoint.weights, precision);
        const whole = {
          ...checkpoint,
          weights,
          adapter: { ...adapter, base: { ...adapter.base, precision: 'f32' as const } },
        };
        const [model, plain, exact] = [
          await load(checkpoint, opened),
          await load(whole),
          await load({ ...whole, weights: checkpoint.weights }),
        ];
        const [found, expected] = [await everyWay(model), await everyWay(plain)];
        for (const [way, logits] of found.entries()) assertNear(logits, expected[way]!, `way ${way}`);
        assert.notDeepEqual(await exact.rawLogits(tokens), await plain.rawLogits(tokens), 'rounding has an effect');
        const merged = await load(await mergeAdapter(engine, checkpoint));
        assertNear(await merged.rawLogits(tokens), found[0]!, 'merged');

        const [trainer, plainTrainer] = [model, plain].map((one) => new Trainer(one, negativeLogLikelihood, optimizer));
        const [slopes, others] = [await trainer!.gradients([batch]), await plainTrainer!.gradients([batch])];
        for (const [name, { data }] of slopes) {
          const scale = Math.max(...others.get(name)!.data.map(Math.abs));
          assert.ok(scale > 1e-5, `${name} has a gradient`);
          data.forEach((slope, position) => {
            const other = others.get(name)!.data[position]!;
            assert.ok(Math.abs(slope - other) <= 1e-4 * scale, `${name}[${position}]: ${slope} and ${other}`);
          });
        }
        const losses = [(await trainer!.step([batch])).loss, (await trainer!.step([batch])).loss];
        assert.ok(losses[1]! < losses[0]!, `${losses}`);
        for (const [name, kept] of weights) assert.deepEqual(await model.state.read(name), kept, name);
        for (const one of [trainer!, plainTrainer!, model, plain, exact, merged]) await one.dispose();
        await opened.dispose();
      });
});

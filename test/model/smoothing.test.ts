import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type HostTensor, sourceOf } from '../../src/graph/tensor.ts';
import { calibrate } from '../../src/model/calibration.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import type { Precision } from '../../src/model/precision.ts';
import { type Smoothing, smoothed, smoothingName, smoothingShapes } from '../../src/model/smoothing.ts';
import { Random } from '../../src/platform/random.ts';
import { everyOption, oneThread, tinyCheckpoint } from './tiny-model.ts';

const wide = { ...everyOption, hidden_size: 32, intermediate_size: 64, head_dim: 8, attention: 'full' as const };

/** A model with one channel that is a hundred times larger than the others before every projection. */
function withOutliers() {
  const checkpoint = tinyCheckpoint(wide);
  for (const [name, { data }] of checkpoint.weights) if (name.endsWith('layernorm.weight')) data[3]! *= 100;
  return checkpoint;
}

const random = new Random(3, 'smoothing');
const text = Int32Array.from({ length: 24 }, () => random.integer(8));

async function logitsOf(precision: Precision, smoothing?: Smoothing): Promise<Float32Array> {
  const engine = oneThread();
  const model = await LanguageModel.loadFrozen(engine, withOutliers(), precision, { smoothing });
  const logits = (await model.rawLogits(text)).slice();
  await model.dispose();
  await engine.dispose();
  return logits;
}

async function smoothingOf(): Promise<Smoothing> {
  const engine = oneThread();
  const model = await LanguageModel.loadFrozen(engine, withOutliers(), 'f32');
  const found = await calibrate(model, [text]);
  await model.dispose();
  await engine.dispose();
  return found;
}

const distance = (a: Float32Array, b: Float32Array): number =>
  Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length);

describe('smoothing', () => {
  it('has one factor per input channel, and one input for projections that share it', async () => {
    const { config } = tinyCheckpoint(wide);
    const found = await smoothingOf();
    assert.deepEqual(new Map([...found].map(([name, { shape }]) => [name, shape])), smoothingShapes(config));
    assert.equal(smoothingName('model.layers.0.self_attn.q_proj'), smoothingName('model.layers.0.self_attn.v_proj'));
    assert.equal(smoothingName('model.layers.0.mlp.gate_proj'), 'model.layers.0.mlp.gate_up.smoothing');
    const [, { data }] = [...found][0]!;
    assert.ok(data[3]! < 0.5 * Math.min(...data.filter((_, i) => i !== 3)), 'the large channel is scaled down');
  });

  it('changes nothing in exact arithmetic', async () => {
    const [plain, smooth] = [await logitsOf('f32'), await logitsOf('f32', await smoothingOf())];
    const size = distance(plain, new Float32Array(plain.length));
    assert.ok(distance(plain, smooth) < 1e-5 * size, `${distance(plain, smooth)} of ${size}`);
  });

  it('keeps integer products accurate if a channel is an outlier', async () => {
    const exact = await logitsOf('f32');
    const [plain, smooth] = [await logitsOf('w8a8'), await logitsOf('w8a8', await smoothingOf())];
    assert.ok(
      distance(exact, smooth) < 0.5 * distance(exact, plain),
      `${distance(exact, smooth)} with, ${distance(exact, plain)} without`,
    );
  });

  it('reads copies: the weights of a map do not change', async () => {
    const { config, weights } = withOutliers();
    const name = 'model.layers.0.self_attn.q_proj.weight';
    const before = weights.get(name)!.data.slice();
    const factors = new Map<string, HostTensor>([
      [smoothingName('model.layers.0.self_attn.q_proj'), { shape: [32], data: new Float32Array(32).fill(0.5) }],
    ]);
    const { data } = await smoothed(config, sourceOf(weights), factors).read(name);
    assert.deepEqual(
      data,
      before.map((value) => 2 * value),
    );
    assert.deepEqual(weights.get(name)!.data, before);
  });
});

/** Compares the optimiser in the program with a plain transcription of AdamW (arXiv 1711.05101, algorithm 2). */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { Engine } from '../../src/engine/engine.ts';
import { square, total } from '../../src/graph/compositions.ts';
import { gradients } from '../../src/graph/differentiate.ts';
import {
  type OptimizerOptions,
  optimizerState,
  optimizerStep,
  orthogonalized,
  type Schedule,
  scheduled,
} from '../../src/graph/optimizer.ts';
import * as p from '../../src/graph/primitives.ts';
import type { HostTensor, Tensor } from '../../src/graph/tensor.ts';
import { Random } from '../../src/platform/random.ts';
import { engines } from './engines.ts';
import { assertClose, f32, normals, runProgram } from './run-program.ts';

const constant: Schedule = { learningRate: 0.05, warmup: 0, decay: 'constant', steps: 5, floor: 0 };
const plain: OptimizerOptions = {
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 1e-8,
  weightDecay: 0,
  maxGradNorm: 0,
  schedule: constant,
};

const shapes = new Map([
  ['matrix', [2, 3]],
  ['gain', [3]],
]);
const initial = new Map([...shapes].map(([name, shape]) => [name, normals(new Random(4, name), shape)]));
/** loss = sum of (parameter - 2)^2 / 2, so that a gradient is parameter - 2. */
const target = 2;

function transcribed(options: OptimizerOptions, steps: number) {
  const values = new Map([...initial].map(([name, { data }]) => [name, [...data]]));
  const m = new Map([...values].map(([name, data]) => [name, data.map(() => 0)]));
  const v = new Map([...values].map(([name, data]) => [name, data.map(() => 0)]));
  let norm = 0;
  let rate = 0;
  for (let t = 1; t <= steps; t++) {
    const { learningRate, warmup, decay, steps: last, floor } = options.schedule;
    const rising = warmup > 0 ? Math.min(t / warmup, 1) : 1;
    const progress = Math.min(Math.max(t - warmup, 0) / Math.max(1, last - warmup), 1);
    const falling = { constant: 1, linear: 1 - progress, cosine: (1 + Math.cos(Math.PI * progress)) / 2 }[decay];
    rate = learningRate * rising * (decay === 'constant' ? 1 : floor + (1 - floor) * falling);
    const slopes = new Map([...values].map(([name, data]) => [name, data.map((value) => value - target)]));
    norm = Math.sqrt([...slopes.values()].flat().reduce((sum, g) => sum + g * g, 0));
    const clip = options.maxGradNorm > 0 ? Math.min(1, options.maxGradNorm / (norm + 1e-6)) : 1;
    for (const [name, data] of values) {
      const decayed = name === 'matrix' ? options.weightDecay : 0;
      slopes.get(name)!.forEach((slope, i) => {
        const g = slope * clip;
        m.get(name)![i] = options.beta1 * m.get(name)![i]! + (1 - options.beta1) * g;
        v.get(name)![i] = options.beta2 * v.get(name)![i]! + (1 - options.beta2) * g * g;
        const mHat = m.get(name)![i]! / (1 - options.beta1 ** t);
        const vHat = v.get(name)![i]! / (1 - options.beta2 ** t);
        data[i] = data[i]! - rate * decayed * data[i]! - (rate * mHat) / (Math.sqrt(vHat) + options.epsilon);
      });
    }
  }
  return { values, norm, rate };
}

async function ran(engine: Engine, options: OptimizerOptions, times: number) {
  const parameters = new Map([...shapes].map(([name, shape]): [string, Tensor] => [name, p.state(name, shape)]));
  let loss: Tensor = p.scalar(0);
  for (const parameter of parameters.values()) loss = p.add(loss, p.mul(total(square(p.sub(parameter, target))), 0.5));
  const slopes = gradients(loss, [...parameters.values()]);
  const gradientOf = new Map([...parameters.keys()].map((name, index) => [name, slopes[index]!]));
  const { updates, gradNorm, learningRate } = optimizerStep(parameters, gradientOf, options);
  const state: Record<string, HostTensor> = Object.fromEntries(initial);
  for (const [name, shape] of optimizerState(shapes))
    state[name] = f32(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));
  return runProgram(engine, { outputs: { gradNorm, learningRate }, updates }, {}, { state, times });
}

const variants: [string, OptimizerOptions][] = [
  ['plain', plain],
  ['clipping', { ...plain, maxGradNorm: 0.5 }],
  ['clipping that never bites', { ...plain, maxGradNorm: 1000 }],
  ['weight decay, of matrices only', { ...plain, weightDecay: 0.3 }],
  ['warm-up', { ...plain, schedule: { ...constant, warmup: 3 } }],
  ['linear decay past its end', { ...plain, schedule: { ...constant, warmup: 1, decay: 'linear', steps: 4 } }],
  [
    'cosine decay to a floor',
    { ...plain, schedule: { ...constant, warmup: 2, decay: 'cosine', steps: 5, floor: 0.1 } },
  ],
  [
    'everything',
    { ...plain, weightDecay: 0.1, maxGradNorm: 1, schedule: { ...constant, warmup: 2, decay: 'cosine', floor: 0.2 } },
  ],
];

for (const { label, open } of engines) {
  describe(`AdamW on ${label}`, () => {
    let opened: Promise<Engine> | undefined;
    after(async () => (await opened)?.dispose());

    for (const [name, options] of variants) {
      it(name, async () => {
        opened ??= open();
        for (const times of [1, 5]) {
          const { values, norm, rate } = transcribed(options, times);
          const { outputs, state } = await ran(await opened, options, times);
          assertClose(outputs.gradNorm!, f32([], [norm]), `gradient norm of step ${times}`);
          assertClose(outputs.learningRate!, f32([], [rate]), `learning rate of step ${times}`, 1e-7);
          for (const [parameter, data] of values)
            assertClose(state[parameter]!, { shape: shapes.get(parameter)!, data }, `${parameter} after ${times}`);
        }
      });
    }
  });
}

describe('Muon', () => {
  for (const { label, open } of engines)
    it(`makes the singular values of a matrix nearly equal on ${label}`, async () => {
      const engine = await open();
      for (const shape of [
        [6, 4],
        [4, 6],
        [5, 5],
      ] as const) {
        const x = normals(new Random(7, `${shape}`), shape);
        const { outputs } = await runProgram(engine, { outputs: { y: orthogonalized(p.input('x', shape)) } }, { x });
        const y = outputs.y!.data as Float32Array;
        // x = U S V' becomes U T V' with T near 1: y' x is symmetric and, with x of full rank, positive.
        const [rows, columns] = shape;
        const at = (data: ArrayLike<number>, row: number, column: number) => data[row * columns + column] as number;
        const short = rows > columns ? columns : rows;
        const gram = (a: ArrayLike<number>, b: ArrayLike<number>, i: number, j: number) =>
          Array.from({ length: rows > columns ? rows : columns }, (_, k) =>
            rows > columns ? at(a, k, i) * at(b, k, j) : at(a, i, k) * at(b, j, k),
          ).reduce((sum, one) => sum + one, 0);
        let trace = 0;
        for (let i = 0; i < short; i++) {
          trace += gram(y, y, i, i);
          for (let j = 0; j < i; j++) {
            assert.ok(Math.abs(gram(y, x.data, i, j) - gram(y, x.data, j, i)) < 1e-3, 'the singular vectors stay');
            assert.ok(Math.abs(gram(y, y, i, j)) < 0.45, 'the rows are nearly orthogonal');
          }
        }
        assert.ok(trace / short > 0.7 ** 2 && trace / short < 1.2 ** 2, `${trace / short}`);
      }
      await engine.dispose();
    });

  it('moves its matrices by the learning rate whatever the gradient, and leaves the rest to AdamW', async () => {
    const engine = await engines[0]!.open();
    const options = { ...plain, muon: new Set(['matrix']) };
    const { state } = await ran(engine, options, 1);
    const { values } = transcribed(plain, 1);
    assertClose(state.gain!, { shape: [3], data: values.get('gain')! }, 'the gain');
    const before = initial.get('matrix')!.data;
    const moved = [...state.matrix!.data].map((value, i) => value - (before[i] as number));
    // Two singular values between 0.7 and 1.2, times 0.2 sqrt(3) and the learning rate.
    const length = Math.sqrt(moved.reduce((sum, one) => sum + one * one, 0)) / (0.2 * Math.sqrt(3) * 0.05);
    assert.ok(length > Math.sqrt(2) * 0.7 && length < Math.sqrt(2) * 1.2, `${length}`);
    await engine.dispose();
  });
});

describe('learning rate', () => {
  const rates = async (schedule: Schedule, steps: readonly number[]) => {
    const engine = await engines[0]!.open();
    const step = p.input('step', [steps.length]);
    const feeds = { step: f32([steps.length], steps) };
    const { outputs } = await runProgram(engine, { outputs: { rate: scheduled(step, schedule) } }, feeds);
    return [...outputs.rate!.data].map((rate) => Number(rate.toFixed(6)));
  };
  const base: Schedule = { learningRate: 1, warmup: 4, decay: 'linear', steps: 8, floor: 0 };

  it('rises from the first update to the peak, and falls to 0 at the last', async () => {
    assert.deepEqual(await rates(base, [1, 2, 4, 5, 6, 8, 9]), [0.25, 0.5, 1, 0.75, 0.5, 0, 0]);
  });
  it('follows half a cosine', async () => {
    assert.deepEqual(await rates({ ...base, warmup: 0, decay: 'cosine' }, [2, 4, 8]), [0.853553, 0.5, 0]);
  });
  it('stays at its floor', async () => {
    assert.deepEqual(await rates({ ...base, floor: 0.1 }, [4, 8, 100]), [1, 0.1, 0.1]);
  });
  it('takes a warm-up longer than the run', async () => {
    assert.deepEqual(await rates({ ...base, warmup: 10, steps: 5 }, [1, 5]), [0.1, 0.5]);
  });
});

import { linear, mean } from '../graph/compositions.ts';
import { gradients } from '../graph/differentiate.ts';
import { type OptimizerOptions, optimizerState, optimizerStep } from '../graph/optimizer.ts';
import {
  gather,
  input,
  logSoftmax,
  matmul,
  neg,
  pick,
  reduceMax,
  reshape,
  rmsNorm,
  state,
} from '../graph/primitives.ts';
import { defineProgram, type Program } from '../graph/program.ts';
import { type HostTensor, type Shape, sizeOf, type Tensor } from '../graph/tensor.ts';
import { messageOf } from '../platform/errors.ts';
import type { Engine } from './engine.ts';
import { type Device, openEngine } from './open-engine.ts';

/** The result of a self-test. `available`: whether the device could be opened. */
export interface SelfTestReport {
  readonly available: boolean;
  readonly selfTest: 'passed' | 'failed' | 'skipped';
  /** Why it is not available or failed; null if it passed. */
  readonly reason: string | null;
  /** Speed of a large f32 matrix product, in 10^9 floating-point operations per second; null if not measured. */
  readonly gflops: number | null;
}

/** Opens a device, checks a training step on it and measures its speed. Errors are reported in the result. */
export async function selfTest(device: Device): Promise<SelfTestReport> {
  let engine: Engine;
  try {
    engine = await openEngine(device);
    await (await engine.compile(probe())).dispose();
  } catch (error) {
    return { available: false, selfTest: 'skipped', reason: reasonOf(error), gflops: null };
  }
  try {
    await checkTraining(engine);
    return { available: true, selfTest: 'passed', reason: null, gflops: await measure(engine) };
  } catch (error) {
    return { available: true, selfTest: 'failed', reason: reasonOf(error), gflops: null };
  } finally {
    await engine.dispose();
  }
}

/** Error messages of libraries, and their meaning in plain words. */
const meanings: readonly [RegExp, string][] = [
  [/Failed to get a WebGPU adapter/, 'no GPU with a Vulkan, Metal or Direct3D 12 driver was found'],
  [
    /ExecutionProvider_Cuda: Failed to load/i,
    "ONNX Runtime's CUDA 12 library, or a library that it needs, is missing; `npm rebuild onnxruntime-node --ignore-scripts=false` fetches it",
  ],
];

function reasonOf(error: unknown): string {
  const message = messageOf(error);
  const meaning = meanings.find(([pattern]) => pattern.test(message))?.[1];
  return meaning ?? (message.trim().split('\n')[0] as string).slice(0, 200);
}

function probe(): Program {
  return defineProgram('probe', { outputs: { x: neg(input('x', [1])) } });
}

const shapes = new Map<string, Shape>([
  ['embedding', [5, 4]],
  ['gain', [4]],
  ['head', [6, 4]],
]);
const options: OptimizerOptions = {
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 1e-8,
  weightDecay: 0.1,
  maxGradNorm: 0.5,
  schedule: { learningRate: 0.05, warmup: 0, decay: 'constant', steps: 1, floor: 0 },
};
const feeds = {
  tokens: { shape: [2, 3], data: Int32Array.of(0, 4, 2, 2, 1, 0) },
  targets: { shape: [6], data: Int32Array.of(5, 0, 3, 3, 1, 2) },
};

/** A training step of a one-layer model: embedding, norm, head, cross-entropy, gradients, clipping, AdamW. */
export function trainingStep(): {
  program: Program;
  feeds: Record<string, HostTensor>;
  state: Map<string, HostTensor>;
} {
  const parameters = new Map<string, Tensor>();
  const values = new Map<string, HostTensor>();
  for (const [name, shape] of shapes) {
    parameters.set(name, state(name, shape));
    const count = sizeOf(shape);
    values.set(name, {
      shape,
      data: Float32Array.from({ length: count }, (_, index) => Math.sin(index * 1.7 + count)),
    });
  }
  for (const [name, shape] of optimizerState(shapes))
    values.set(name, { shape, data: new Float32Array(sizeOf(shape)) });

  const embedded = gather(parameters.get('embedding')!, input('tokens', [2, 3], 'i32'));
  const logits = linear(rmsNorm(embedded, parameters.get('gain')!, 1e-6), parameters.get('head')!);
  const chosen = pick(logSoftmax(reshape(logits, [6, 6])), input('targets', [6], 'i32'));
  const loss = neg(reshape(mean(chosen, [0]), []));
  const names = [...parameters.keys()];
  const slopes = gradients(loss, [...parameters.values()]);
  const gradientOf = new Map(names.map((name, index) => [name, slopes[index] as Tensor]));
  const { updates, gradNorm } = optimizerStep(parameters, gradientOf, options);
  return { program: defineProgram('self-test', { outputs: { loss, gradNorm }, updates }), feeds, state: values };
}

/** The results of two consecutive steps, computed in double precision. */
export const knownAnswer: readonly { readonly loss: number; readonly gradNorm: number }[] = [
  { loss: 1.717363, gradNorm: 0.612237 },
  { loss: 1.557928, gradNorm: 0.558853 },
];

/** GPUs may round the operands of a product to TF32, with a mantissa of 10 bits. */
const tolerance = 5e-3;

/** Throws if the engine's training step differs from the known answer. */
export async function checkTraining(engine: Engine): Promise<void> {
  const { program, feeds, state } = trainingStep();
  const executable = await engine.compile(program);
  const held = await engine.createState(state);
  for (const [step, expected] of knownAnswer.entries()) {
    const results = await executable.run(feeds, held);
    for (const name of ['loss', 'gradNorm'] as const) {
      const found = results[name]?.data[0] as number;
      if (!(Math.abs(found - expected[name]) <= tolerance * expected[name]))
        throw new Error(`training step ${step + 1} gives ${name} ${found} instead of ${expected[name]}`);
    }
  }
  await held.dispose();
  await executable.dispose();
}

/** Consecutive products whose operands and intermediate results stay on the device. */
const productsInARow = 8;
/** Larger matrices are tried only if a run is expected to take no more seconds than this. */
const maxSecondsPerRun = 0.5;

/** GFLOP/s of an f32 matrix product, at the largest size that this device multiplies in reasonable time. */
async function measure(engine: Engine): Promise<number> {
  let gflops = 0;
  for (const size of [128, 512, 1024, 4096]) {
    const work = (2 * size ** 3 * productsInARow) / 1e9;
    if (gflops > 0 && work / gflops > maxSecondsPerRun) break;
    gflops = Math.max(gflops, work / (await timeProducts(engine, size)));
  }
  return Number(gflops.toPrecision(3));
}

async function timeProducts(engine: Engine, size: number): Promise<number> {
  const shape = [size, size];
  const factor = state('factor', shape);
  let product: Tensor = state('start', shape);
  for (let count = 0; count < productsInARow; count++) product = matmul(product, factor);
  const executable = await engine.compile(defineProgram('products', { outputs: { peak: reduceMax(product, [0, 1]) } }));
  // Nearly orthogonal rows of length 1 keep the values from growing.
  const data = Float32Array.from(
    { length: size ** 2 },
    (_, index) => Math.sin(0.37 * index ** 2) * Math.sqrt(2 / size),
  );
  const held = await engine.createState(new Map(['factor', 'start'].map((name) => [name, { shape, data }])));
  let best = Number.POSITIVE_INFINITY;
  // The first run allocates and compiles kernels.
  for (let run = 0; run < 3; run++) {
    const start = performance.now();
    await executable.run({}, held);
    if (run > 0) best = Math.min(best, (performance.now() - start) / 1000);
  }
  await held.dispose();
  await executable.dispose();
  return best;
}

/**
 * Measures the speed of a model with a published layout and random weights on this machine's CPU:
 *
 *     node --import tsx scripts/measuring/layout-speed.ts 0.6b|135m f32|int8|int4|w8a8|w7a8 [THREADS] [--profile]
 *
 * The layouts are those of Qwen3-0.6B and SmolLM2-135M, with full attention. Prints JSON lines: seconds to load the model the
 * first time (including the generation of random weights) and from the cache; milliseconds to read a context of 512 tokens, and
 * for a step of 32 and 64 tokens after it; milliseconds for a completion of 32 tokens in 8 steps with a new context and with a
 * kept one; and resident memory. Times are the best of three: elapsed time, and processor time of all threads, which other work
 * on the machine hardly changes. With `--profile` it prints the time per operator of a step.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { operatorTimes } from '../../bench/operator-profile.ts';
import { layouts, randomWeights } from '../../bench/published-layouts.ts';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import type { Precision } from '../../src/model/precision.ts';
import { readJson } from '../../src/platform/files.ts';

const [size = '0.6b', precision = 'w8a8', threads = `${cpus().length}`] = process.argv
  .slice(2)
  .filter((one) => !one.startsWith('--'));
const isProfiled = process.argv.includes('--profile');
const layout = layouts[size as keyof typeof layouts];
if (!layout) throw new Error(`there is no layout ${size}`);
const bundled = await openCheckpoint(await resolveModel('unmask-puzzles'));
const config = { ...bundled.config, ...layout };
const folder = await mkdtemp(path.join(tmpdir(), 'unmask-layout-'));
const print = (fields: object) => console.log(JSON.stringify(fields));
const gib = () => Number((process.memoryUsage().rss / 2 ** 30).toFixed(2));

interface Time {
  readonly ms: number;
  readonly cpu_ms: number;
}

async function timed(work: () => Promise<unknown>): Promise<Time> {
  const [begin, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { ms: Math.round(performance.now() - begin), cpu_ms: Math.round((user + system) / 1000) };
}

async function best(work: () => Promise<unknown>): Promise<Time> {
  const times = [await timed(work), await timed(work), await timed(work)];
  return { ms: Math.min(...times.map(({ ms }) => ms)), cpu_ms: Math.min(...times.map(({ cpu_ms }) => cpu_ms)) };
}

const profile = isProfiled ? path.join(folder, 'profile') : undefined;
const engine = new OnnxEngine('cpu', Number(threads), profile);
const load = () =>
  LanguageModel.loadFrozen(engine, { ...bundled, config, weights: randomWeights(config) }, precision as Precision, {
    file: { path: path.join(folder, 'layout') },
  });
const step = (tokens: number) => Int32Array.from({ length: tokens }, (_, index) => index + 5);

/** Reads a text of 32 tokens, so that the program is compiled too. */
async function ready(): Promise<LanguageModel> {
  const model = await load();
  await model.inference!.textPredictions({ tokens: step(32), positions: [0] });
  return model;
}

try {
  let model!: LanguageModel;
  const first = await timed(async () => {
    model = await ready();
  });
  await model.dispose();
  const cached = await timed(async () => {
    model = await ready();
  });
  print({ processor: cpus()[0]?.model, layout: size, precision, threads });
  print({ of: 'load, first time', ...first });
  print({ of: 'load, cached', ...cached });
  const reader = model.inference!;
  const context = { tokens: [...step(512)], positions: [...step(512).keys()] };
  const kept = await reader.read(context);
  const range = (to: number) => ({ position: 512, from: 0, to });
  const read = async () => (await reader.read(context)).dispose();
  const predict = (tokens: number, to: number) => reader.predictions(kept, [step(tokens)], range(to));
  print({ of: 'context of 512', ...(await best(read)) });
  print({ of: 'step of 32', ...(await best(() => predict(32, 32))) });
  print({ of: 'step of 64', ...(await best(() => predict(64, 64))) });
  print({ of: 'step of 32, one prediction', ...(await best(() => predict(32, 1))) });
  print({ of: 'step of 32, logits', ...(await best(() => reader.logits(kept, [step(32)], range(32)))) });
  const steps = async () => {
    for (let count = 0; count < 8; count++) await predict(32, 32);
  };
  print({ of: 'completion of 8 steps, kept context', ...(await best(steps)) });
  const whole = async () => {
    await read();
    await steps();
  };
  print({ of: 'completion of 8 steps, new context', ...(await best(whole)) });
  print({ resident_gib: gib() });
  await model.dispose();
  if (profile) {
    const files = (await readdir(folder)).filter((name) => name.endsWith('.json'));
    print(operatorTimes(await readJson(path.join(folder, files.at(-1) as string))).slice(0, 14));
  }
} finally {
  await engine.dispose();
  await rm(folder, { recursive: true, force: true });
}

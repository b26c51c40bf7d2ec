/**
 * Measures the speed of a model with a published layout and random weights, in one precision, on this machine's CPU:
 *
 *     node --import tsx scripts/measuring/layout-speed.ts f32|int8|int4|w8a8|w7a8 [LAYERS] [THREADS]
 *
 * The layout is Qwen3-0.6B with full attention and optionally fewer layers. Prints JSON lines: seconds to load (including
 * the generation of random weights), milliseconds per pass over 32, 64 and 544 tokens with 32 predictions (the first pass,
 * which compiles, and the best of three), and resident memory.
 */
import { cpus } from 'node:os';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import type { Shape } from '../../src/graph/tensor.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import type { Precision } from '../../src/model/precision.ts';
import { weightShapes } from '../../src/model/transformer.ts';
import { Random } from '../../src/platform/random.ts';

const [precision = 'w8a8', layers = '28', threads = `${cpus().length}`] = process.argv.slice(2);
const bundled = await openCheckpoint(await resolveModel('unmask-puzzles'));
const config = {
  ...bundled.config,
  ...{ vocab_size: 151_936, hidden_size: 1024, intermediate_size: 3072, num_hidden_layers: Number(layers) },
  ...{ num_attention_heads: 16, num_key_value_heads: 8, head_dim: 128, qk_norm: true, tie_word_embeddings: true },
  ...{ max_position_embeddings: 2048, rope_theta: 1e6, attention: 'full' as const },
};
const shapes = weightShapes(config);
const random = new Random(1, 'layout');
const noise = Float32Array.from({ length: 2 ** 20 }, () => 0.02 * random.normal());

async function read(name: string) {
  const shape = shapes.get(name) as Shape;
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let start = 0; start < data.length; start += noise.length)
    data.set(noise.subarray(0, Math.min(noise.length, data.length - start)), start);
  return { shape, data: name.endsWith('norm.weight') ? data.fill(1) : data };
}

const gib = () => Number((process.memoryUsage().rss / 2 ** 30).toFixed(2));
const begin = performance.now();
const engine = new OnnxEngine('cpu', Number(threads));
const model = await LanguageModel.loadFrozen(
  engine,
  { ...bundled, config, weights: { shapes, read } },
  precision as Precision,
);
const load_seconds = Number(((performance.now() - begin) / 1000).toFixed(1));
console.log(
  JSON.stringify({ processor: cpus()[0]?.model, precision, layers, threads, load_seconds, resident_gib: gib() }),
);
for (const length of [32, 64, 544]) {
  const query = { tokens: Int32Array.from({ length }, (_, position) => position), positions: [...Array(32).keys()] };
  const times: number[] = [];
  for (let pass = 0; pass < 4; pass++) {
    const start = performance.now();
    await model.logits([query]);
    times.push(performance.now() - start);
  }
  const [first, ...others] = times.map(Math.round);
  console.log(JSON.stringify({ tokens: length, first_ms: first, best_ms: Math.min(...others), resident_gib: gib() }));
}
await model.dispose();
await engine.dispose();

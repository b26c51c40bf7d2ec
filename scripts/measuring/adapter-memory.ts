// Measures the time and memory of an SPG step on a base with random weights in the shape of Qwen2 0.5B, on one core:
// node --import tsx scripts/measuring/adapter-memory.ts f32|int8|int4 [rank]
// Estimates the memory of a run on a model in the shape of LLaDA-8B (arXiv 2502.09992):
// node --import tsx scripts/measuring/adapter-memory.ts estimate
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import { type Shape, sizeOf, type TensorSource } from '../../src/graph/tensor.ts';
import type { Checkpoint } from '../../src/model/checkpoint.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { paperDefaults } from '../../src/model/generation.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { initialLora, loraTargets } from '../../src/model/lora.ts';
import { type Precision, precisions } from '../../src/model/precision.ts';
import { characterTokenizer, Tokenizer } from '../../src/model/tokenizer.ts';
import { weightShapes } from '../../src/model/transformer.ts';
import { Random } from '../../src/platform/random.ts';
import { memoryNeed } from '../../src/training/memory.ts';
import { optimizerOf } from '../../src/training/optimizer-settings.ts';
import { Trainer, trainingState } from '../../src/training/trainer.ts';
import { type SpgObjective, spgObjectives } from '../../src/tuning/objectives/spg.ts';
import { tuningSettings } from '../../src/tuning/settings.ts';
import { eightBillion } from '../../test/model/published-shapes.ts';

const config: ModelConfig = {
  model_type: 'unmask',
  vocab_size: 151_936,
  hidden_size: 896,
  intermediate_size: 4864,
  num_hidden_layers: 24,
  num_attention_heads: 14,
  num_key_value_heads: 2,
  head_dim: 64,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-6,
  rope_theta: 1_000_000,
  attention_bias: true,
  qk_norm: false,
  tie_word_embeddings: true,
  logit_shift: true,
  attention: 'full',
  mask_token_id: 2,
  eos_token_id: 1,
  pad_token_id: 0,
  initializer_range: 0.02,
};
const [prompt, answer, samples] = [64, 64, 2];

/** Random weights, generated one at a time on request: all at once would add to the measured memory. */
const weights: TensorSource = {
  shapes: weightShapes(config),
  async read(name) {
    const shape = this.shapes.get(name) as Shape;
    return { shape, data: drawn(name, shape) };
  },
};

/** Uniform numbers with the standard deviation of initial weights, from a fast generator: half a billion are needed. */
function drawn(name: string, shape: Shape): Float32Array {
  const data = new Float32Array(sizeOf(shape));
  if (name.endsWith('norm.weight')) return data.fill(1);
  const halfRange = config.initializer_range * Math.sqrt(3);
  let seed = name.length * 7919 + 1;
  for (let i = 0; i < data.length; i++) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0;
    data[i] = (seed / 2 ** 31) * halfRange;
  }
  return data;
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}

const mode = process.argv[2] as Precision | 'estimate';
if (mode === 'estimate') printLargeEstimate();
else if (precisions.includes(mode)) await measure(mode, Number(process.argv[3] ?? 128));
else throw new Error(`give one of ${precisions.join(', ')}, estimate`);

function printLargeEstimate(): void {
  const large: ModelConfig = { ...config, ...eightBillion };
  const plan = { row: { length: 512, answer: 256 }, rows: 2 };
  console.log(`| | ${precisions.join(' | ')} |\n|---|---|---|---|`);
  for (const rank of [8, 32, 128]) {
    const adapter = { rank, alpha: rank / 2, targets: loraTargets };
    const cells = precisions.map((precision) => gib(memoryNeed(large, { ...plan, adapter, precision }).about));
    console.log(`| adapter of rank ${rank} | ${cells.join(' | ')} |`);
  }
  console.log(`| all weights | ${gib(memoryNeed(large, { ...plan, precision: 'f32' }).about)} | | |`);
}

async function measure(precision: Precision, rank: number): Promise<void> {
  const shape = { rank, alpha: rank / 2, targets: loraTargets };
  const engine = new OnnxEngine('cpu', 1);
  const checkpoint: Checkpoint<TensorSource> = {
    config,
    weights,
    tokenizer: new Tokenizer(characterTokenizer('0123456789')),
    generation: paperDefaults,
    adapter: {
      ...shape,
      weights: initialLora(config, shape, new Random(0, 'adapter')),
      base: { name: 'random', digest: null, precision },
    },
  };
  const printMemory = (what: string, since: number) => {
    const { rss } = process.memoryUsage();
    const peak = process.resourceUsage().maxRSS * 1024;
    console.log(`${what}: ${gib(rss)} now, ${gib(peak)} at most, ${((performance.now() - since) / 1000).toFixed(1)} s`);
  };

  const row = { length: prompt + answer, answer };
  const needed = memoryNeed(config, { adapter: shape, precision, row, rows: samples });
  console.log(
    `base in ${precision}, adapter of rank ${rank}: estimated at ${gib(needed.about)}, without the runtime itself`,
  );
  let begin = performance.now();
  printMemory('begun', begin);
  const model = await LanguageModel.load(engine, checkpoint, trainingState(config, shape));
  printMemory('loaded', begin);

  const random = new Random(0, 'completions');
  const tokens = (length: number) => Int32Array.from({ length }, () => 3 + random.integer(config.vocab_size - 3));
  const rows = [0, 1].map(() => ({
    tokens: tokens(prompt + answer),
    positions: Array.from({ length: answer }, (_, i) => prompt + i),
  }));
  begin = performance.now();
  await model.logits(rows);
  printMemory(`forward pass of ${rows.length} rows`, begin);

  const requested = tuningSettings.parse({ micro_batch: 1, mask_samples: samples });
  const settings = { ...requested, length: answer, block: 32 };
  const objective = spgObjectives.find(({ name }) => name === 'spg-mixture') as SpgObjective;
  const completions = [0.5, -0.5].map((advantage) => ({
    prompt: tokens(prompt),
    tokens: tokens(answer),
    length: answer,
    advantage,
  }));
  const { batches } = objective.update(completions, settings, { mask: 2, pad: 0 }, new Random(0, 'masks'));
  const trainer = new Trainer(model, objective.loss, optimizerOf(settings, model.trained.keys(), 1));
  for (const step of [1, 2]) {
    begin = performance.now();
    const { loss, gradNorm } = await trainer.step(batches);
    printMemory(
      `step ${step}, ${batches.length * samples} rows of ${prompt + answer} tokens, loss ${loss.toFixed(4)}, gradient ${gradNorm.toFixed(4)}`,
      begin,
    );
  }
}

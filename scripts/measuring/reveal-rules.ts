/**
 * Compares reveal rules: the bundled puzzle model decodes 4x4 Sudokus of the validation or test split greedily, with several limits for
 * each rule.
 *
 *     node --import tsx scripts/measuring/reveal-rules.ts [PUZZLES] [validation|test]
 *
 * Prints a JSON line for each limit, with cell accuracy, solved grids and tokens per forward pass, and one for each rule with its
 * AUP (`accuracyUnderParallelism`) in cell accuracy.
 */

import { accuracyUnderParallelism } from '../../bench/accuracy-under-parallelism.ts';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import type { DecodingOptions } from '../../src/diffusion/denoise.ts';
import type { RevealOrder } from '../../src/diffusion/reveal-rules.ts';
import { chooseEngine } from '../../src/engine/devices.ts';
import { defaultDecoding } from '../../src/evaluation/answers.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { taskByName } from '../../src/tasks/registry.ts';

const [puzzles = '256', split = 'validation'] = process.argv.slice(2);
const task = taskByName('sudoku4x4');
const engine = await chooseEngine({ engine: 'onnx', device: 'cpu' });
const model = await LanguageModel.load(engine, await openCheckpoint(await resolveModel('unmask-puzzles')));
const format = model.generation.prompt_format;
const rows = task.heldOut!(split as 'validation' | 'test', Number(puzzles));
const options = { ...defaultDecoding(model, task, format), temperature: 0 };

/** The options of each rule, from the least to the most parallel. */
const rules: Readonly<Record<RevealOrder, readonly Partial<DecodingOptions>[]>> = {
  confidence: [1, 2, 4, 8].map((perStep) => ({ steps: Math.ceil(options.length / perStep) })),
  random: [1, 2, 4, 8].map((perStep) => ({ steps: Math.ceil(options.length / perStep) })),
  threshold: [0.999, 0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.5].map((threshold) => ({ threshold })),
  factor: [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1].map((factor) => ({ factor })),
  entropy: [0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.5, 3].map((entropyBound) => ({ entropyBound })),
};

const found = [];
for (const [order, variants] of Object.entries(rules) as [RevealOrder, readonly Partial<DecodingOptions>[]][]) {
  const points = [];
  for (const limit of variants) {
    const decoding = { ...options, ...limit, order };
    const { metrics, tokensPerForward } = await evaluate(model, task, rows, { format, decoding, samples: 1, seed: 0 });
    const [cells, solved] = [metrics.cell_accuracy!.value, metrics.solved!.value];
    points.push({ tokensPerForward, accuracy: 100 * cells });
    console.log(
      JSON.stringify({ order, ...limit, cell_accuracy: cells, solved, tokens_per_forward: tokensPerForward }),
    );
  }
  found.push({ order, points });
}
const best = Math.max(...found.flatMap(({ points }) => points.map(({ accuracy }) => accuracy)));
for (const { order, points } of found)
  console.log(JSON.stringify({ order, best, aup: accuracyUnderParallelism(points, best) }));
await model.dispose();
await engine.dispose();

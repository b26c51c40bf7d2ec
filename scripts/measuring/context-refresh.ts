/**
 * Measures the accuracy and speed of caching the keys and values of the context in a model with full attention, where the
 * context attends to the canvas. The bundled puzzle model decodes 4x4 Sudokus of the test split greedily; the cache is
 * refreshed after a varying number of steps.
 *
 *     node --import tsx scripts/measuring/context-refresh.ts [PUZZLES]
 *
 * Prints JSON lines with cell accuracy, solved grids, the share of tokens equal to those of uncached decoding, and seconds.
 */
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { denoise } from '../../src/diffusion/denoise.ts';
import { chooseEngine } from '../../src/engine/devices.ts';
import { defaultDecoding, planAnswers, readCompletion } from '../../src/evaluation/answers.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { taskByName } from '../../src/tasks/registry.ts';

const task = taskByName('sudoku4x4');
const engine = await chooseEngine({ engine: 'onnx', device: 'cpu' });
const model = await LanguageModel.load(engine, await openCheckpoint(await resolveModel('unmask-puzzles')));
const format = model.generation.prompt_format;
const rows = task.heldOut!('test', Number(process.argv[2] ?? 256));
const options = { ...defaultDecoding(model, task, format), temperature: 0 };
const plans = planAnswers(model, task, rows, { format, samples: 1, seed: 0, decoding: options });

async function decode(contextRefresh: number) {
  const call = {
    prompts: plans.map(({ promptTokens }) => promptTokens),
    seeds: plans.map(({ seed }) => seed),
    options,
  };
  await denoise(model, { prompts: call.prompts.slice(0, 1), seeds: call.seeds.slice(0, 1), options, contextRefresh });
  const begin = performance.now();
  const made: Int32Array[] = [];
  // Batch size 1, as in an editor.
  for (const [index, prompt] of call.prompts.entries()) {
    const [denoised] = await denoise(model, {
      prompts: [prompt],
      seeds: [call.seeds[index]!],
      options,
      contextRefresh,
    });
    made.push(denoised!.tokens);
  }
  const seconds = (performance.now() - begin) / 1000;
  const answers = made.map((tokens, index) => ({
    row: rows[index],
    completion: readCompletion(model, { tokens }).completion,
  }));
  const grades = await task.scorer.grade(answers, { format, asReleased: false });
  const mean = (metric: string) => {
    const sums = grades.map(({ scores }) => scores[metric]!);
    return sums.reduce((sum, { value }) => sum + value, 0) / sums.reduce((sum, { weight }) => sum + weight, 0);
  };
  return { made, seconds, cell_accuracy: mean('cell_accuracy'), solved: mean('solved') };
}

const plain = await decode(1);
for (const refresh of [1, 2, 3, 4, 8, 1000]) {
  const { made, ...figures } = refresh === 1 ? plain : await decode(refresh);
  const equal = made.map(
    (tokens, index) => tokens.filter((token, position) => token === plain.made[index]![position]).length,
  );
  const all = made.reduce((sum, tokens) => sum + tokens.length, 0);
  console.log(
    JSON.stringify({ refresh, ...figures, equal_tokens: equal.reduce((sum, count) => sum + count, 0) / all }),
  );
}
await model.dispose();

// How many bits a character of held-out middles takes code models of several sizes and vocabularies, trained by the code recipe
// for as many steps as are given to each, the first of them mostly on plain text where their number is given too:
// node --import tsx scripts/measuring/code-shapes.ts PRESET:VOCABULARY:STEPS[:TEXT_STEPS] ...
import { canvasWidth } from '../../src/diffusion/infill.ts';
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import { DiffusionLikelihood, predictedTokens } from '../../src/evaluation/diffusion-infiller.ts';
import { isSingleLine } from '../../src/evaluation/infilling.ts';
import { rateDifference, rateInterval } from '../../src/evaluation/statistics.ts';
import { parametersOf } from '../../src/model/memory.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { readSettings } from '../../src/platform/settings.ts';
import type { Interval } from '../../src/protocol/interval.ts';
import type { Score } from '../../src/tasks/task.ts';
import { codeCurriculum, codeRecipe, servedDecoding, sourcesFolder } from '../../src/training/code/code-recipe.ts';
import { readCorpus } from '../../src/training/code/corpus.ts';
import { infillingItems } from '../../src/training/code/infilling-items.ts';
import { newModel, pretraining, pretrainingSettings } from '../../src/training/pretrain.ts';

const seed = 0;
const gapsOfAKind = 200;
const progress = (line: string) => console.error(line);
const shapes = process.argv.slice(2).map((shape) => {
  const [preset, vocabulary, steps, textSteps = 0] = shape.split(':');
  return { preset: preset!, vocabulary: Number(vocabulary), steps: Number(steps), textSteps: Number(textSteps) };
});
const engine = new OnnxEngine('cpu', 1);
const corpus = await readCorpus(sourcesFolder(), { progress });
const makers = await Promise.all(
  shapes.map(async (shape) => {
    const curriculum = await codeCurriculum(corpus, { progress }, shape);
    return { ...shape, curriculum, tokenizer: new Tokenizer(curriculum.tokenizer) };
  }),
);
// The same gaps for all: those whose middles fit into the canvas of each.
const gaps = (await infillingItems(corpus.validation, ['line', 'lines'], gapsOfAKind)).filter((item) =>
  makers.every(
    ({ tokenizer }) =>
      predictedTokens(tokenizer, item).tokens.length < canvasWidth(codeRecipe.generation, isSingleLine(item)),
  ),
);
const text = corpus.validation.map((file) => file.text).join('');

const shown = ({ value, low, high }: Interval) => `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
let first: readonly (readonly Score[])[] | undefined;
console.log(
  `${gaps.length} gaps; bits per character: an upper bound, and exact from the left; minus those of the first row`,
);
console.log(
  '| preset | vocabulary | parameters | characters a token | steps | mostly text | s a step | <= bits | minus | from the left | minus |',
);
console.log('|---|---|---|---|---|---|---|---|---|---|---|');
for (const { preset, vocabulary, steps, textSteps, curriculum, tokenizer } of makers) {
  const given = { ...codeRecipe.settings, preset, evaluate_every: 0 };
  const settings = await readSettings(pretrainingSettings, { pairs: [] }, given);
  const model = await newModel(engine, codeRecipe, curriculum, settings, seed);
  const method = pretraining(model, curriculum, settings, { steps, seed });
  const begin = performance.now();
  for (let step = 1; step <= steps; step++) {
    await method.step(step);
    if (step % 100 === 0) progress(`${preset}:${vocabulary}, step ${step} of ${steps}`);
  }
  const perStep = (performance.now() - begin) / 1000 / steps;
  const likelihood = new DiffusionLikelihood(model, servedDecoding.contextTokens);
  const measures: readonly Score[][] = [[], []];
  for (const item of gaps) {
    const { characters: weight } = predictedTokens(tokenizer, item);
    measures[0]!.push({ value: await likelihood.bound(item), weight });
    measures[1]!.push({ value: await likelihood.fromTheLeft(item), weight });
  }
  first ??= measures;
  const columns = measures.flatMap((bits, index) => [
    shown(rateInterval(bits)),
    bits === first![index] ? '' : shown(rateDifference(first![index]!, bits)),
  ]);
  const density = (text.length / tokenizer.encode(text).length).toFixed(2);
  console.log(
    `| ${[preset, vocabulary, parametersOf(model.config), density, steps, textSteps, perStep.toFixed(2), ...columns].join(' | ')} |`,
  );
  await model.dispose();
}

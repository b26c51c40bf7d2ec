// Measures the bits per character of held-out middles for code models of several sizes and vocabularies. Each is trained
// with the code recipe for STEPS steps, after AUTOREGRESSIVE_STEPS steps of the autoregressive recipe if you give them:
// node --import tsx scripts/measuring/code-shapes.ts PRESET:VOCABULARY:STEPS[:AUTOREGRESSIVE_STEPS] ...

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { canvasWidth } from '../../src/diffusion/infill.ts';
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import { rateDifference, rateInterval } from '../../src/evaluation/statistics.ts';
import { DiffusionLikelihood, predictedTokens } from '../../src/infilling/diffusion-infiller.ts';
import { isSingleLine } from '../../src/infilling/infilling.ts';
import type { LanguageModel } from '../../src/model/language-model.ts';
import { parametersOf } from '../../src/model/memory.ts';
import type { ResolvedModel } from '../../src/model/resolved-model.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { readSettings } from '../../src/platform/settings.ts';
import type { Interval } from '../../src/protocol/interval.ts';
import type { Score } from '../../src/tasks/task.ts';
import { autoregressiveCodeRecipe, autoregressiveReading } from '../../src/training/code/autoregressive-recipe.ts';
import { codeCurriculum, codeRecipe, servingDecoding, sourcesFolder } from '../../src/training/code/code-recipe.ts';
import { readCorpus } from '../../src/training/code/corpus.ts';
import { infillingItems } from '../../src/training/code/infilling-items.ts';
import { newModel, pretraining, pretrainingSettings } from '../../src/training/pretrain.ts';
import type { Curriculum } from '../../src/training/recipe.ts';

const seed = 0;
const gapsOfAKind = 200;
const progress = (line: string) => console.error(line);
const shapes = process.argv.slice(2).map((shape) => {
  const [preset, vocabulary, steps, before = 0] = shape.split(':');
  return { preset: preset!, vocabulary: Number(vocabulary), steps: Number(steps), before: Number(before) };
});
const engine = new OnnxEngine('cpu', 1);
const corpus = await readCorpus(sourcesFolder(), { progress });
const makers = await Promise.all(
  shapes.map(async (shape) => {
    const curriculum = await codeCurriculum(corpus, { progress }, shape);
    const writing = await codeCurriculum(corpus, { progress }, { ...shape, reading: autoregressiveReading });
    return { ...shape, curriculum, writing, tokenizer: new Tokenizer(curriculum.tokenizer) };
  }),
);
// All models use the same gaps, whose middles fit into the canvas of every model.
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
  '| preset | vocabulary | parameters | characters a token | steps | behind autoregressive ones | s a step | <= bits | minus | from the left | minus |',
);
console.log('|---|---|---|---|---|---|---|---|---|---|---|');
for (const { preset, vocabulary, steps, before, curriculum, writing, tokenizer } of makers) {
  const requested = { ...codeRecipe.settings, preset, evaluate_every: 0 };
  const settings = await readSettings(pretrainingSettings, { pairs: [] }, requested);
  const train = async (name: string, count: number, reads: Curriculum, model: LanguageModel) => {
    const method = pretraining(model, reads, settings, { steps: count, seed });
    for (let step = 1; step <= count; step++) {
      const { metrics } = await method.step(step);
      if (step % 100 === 0)
        progress(`${preset}:${vocabulary}, ${name} step ${step} of ${count}, loss ${metrics.loss!.toFixed(3)}`);
    }
  };
  let from: ResolvedModel | null = null;
  if (before > 0) {
    const model = await newModel(engine, autoregressiveCodeRecipe, writing, { settings, seed, from });
    await train('autoregressive', before, writing, model);
    const folder = await mkdtemp(path.join(tmpdir(), 'unmask-code-shapes-'));
    await model.save(folder);
    await model.dispose();
    from = await resolveModel(folder);
  }
  const model = await newModel(engine, codeRecipe, curriculum, { settings, seed, from });
  if (from !== null) await rm(from.folder, { recursive: true });
  const begin = performance.now();
  await train('denoising', steps, curriculum, model);
  const perStep = (performance.now() - begin) / 1000 / steps;
  const likelihood = new DiffusionLikelihood(model, servingDecoding.contextTokens);
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
    `| ${[preset, vocabulary, parametersOf(model.config), density, steps, before, perStep.toFixed(2), ...columns].join(' | ')} |`,
  );
  await model.dispose();
}

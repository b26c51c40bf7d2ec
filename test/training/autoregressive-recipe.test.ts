import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { Random } from '../../src/platform/random.ts';
import { autoregressiveCodeRecipe, autoregressiveReading } from '../../src/training/code/autoregressive-recipe.ts';
import { codeCurriculum, codeRecipe } from '../../src/training/code/code-recipe.ts';
import type { SourceFile } from '../../src/training/code/corpus.ts';
import { newModel, pretraining, pretrainingSettings } from '../../src/training/pretrain.ts';
import { enterHome } from '../cli/unmask.ts';
import { oneThread } from '../model/tiny-model.ts';

const source = (about: string) => `export function first${about}(items) {
  for (const item of items) {
    if (item.kind === '${about}') return item;
  }
  return undefined;
}
`;
const file = (about: string): SourceFile => ({ package: 'p', path: `${about}.js`, text: source(about).repeat(6) });

let home: string;
let leave: () => Promise<void>;
before(async () => {
  ({ home, leave } = await enterHome());
});
after(() => leave());

it('the autoregressive baseline learns to predict the next token, and is evaluated next to the n-gram', async () => {
  const corpus = { training: [file('Name'), file('Word')], validation: [file('Line')] };
  const curriculum = await codeCurriculum(corpus, { progress: () => undefined }, { reading: autoregressiveReading });
  for (const example of curriculum.examples(1, 1, new Random(3)).flat()) {
    const tokens = Array.from(example.tokens);
    assert.equal(tokens.filter((token) => token === 2).length, 1, 'the gap');
    assert.equal(tokens.at(-1), 3, 'the end of the middle');
    assert.ok(tokens.indexOf(1) > tokens.indexOf(2), 'the end of the context');
  }
  const settings = pretrainingSettings.parse({
    ...autoregressiveCodeRecipe.settings,
    preset: 'nano-0.5m',
    batch_size: 1,
    evaluation_problems: 2,
    warmup_steps: 4,
  });
  const model = await newModel(oneThread(), autoregressiveCodeRecipe, curriculum, { settings, seed: 0, from: null });
  assert.deepEqual([model.config.attention, model.config.logit_shift], ['causal', true]);
  // Only short examples, so that one program is compiled.
  const short = {
    ...curriculum,
    examples: (_: number, size: number, random: Random) => curriculum.examples(1, size, random),
  };
  const method = pretraining(model, short, settings, { steps: 24, seed: 0 });
  const losses: number[] = [];
  for (let step = 1; step <= 24; step++) losses.push((await method.step(step)).metrics.loss as number);
  const mean = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  assert.ok(mean(losses.slice(-4)) < 0.6 * mean(losses.slice(0, 4)), losses.map((loss) => loss.toFixed(2)).join(' '));
  // A new model predicts all tokens about equally.
  assert.ok(Math.abs(losses[0]! / Math.log(model.config.vocab_size) - 1) < 0.2);
  const { metrics, n } = await method.evaluate!();
  assert.equal(n > 0, true);
  for (const name of ['exact_match', 'likeliest/parses', 'lines/parses', 'ngram/exact_match'])
    assert.ok(metrics[name]!.value >= 0 && metrics[name]!.value <= 1, name);

  const folder = path.join(home, 'autoregressive');
  await model.save(folder);
  const denoising = await newModel(oneThread(), codeRecipe, curriculum, {
    settings,
    seed: 0,
    from: await resolveModel(folder),
  });
  assert.deepEqual([denoising.config.attention, denoising.config.logit_shift], ['prefix-lm', false]);
  assert.deepEqual(await denoising.readWeights(), await model.readWeights());
  await Promise.all([model.dispose(), denoising.dispose()]);
});

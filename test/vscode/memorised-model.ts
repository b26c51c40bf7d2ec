import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { fingerprint } from '../../scripts/set-up.mjs';
import { infill } from '../../src/diffusion/infill.ts';
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import { trainBytePairs } from '../../src/model/byte-pair-training.ts';
import { presetConfig } from '../../src/model/config.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { initialWeights } from '../../src/model/transformer.ts';
import { Random } from '../../src/platform/random.ts';
import { GapExamples } from '../../src/training/code/gap-examples.ts';
import { maskedDiffusionBatch, maskedDiffusionLoss } from '../../src/training/masked-diffusion-loss.ts';
import { optimizerOf } from '../../src/training/optimizer-settings.ts';
import { pretrainingSettings } from '../../src/training/pretrain.ts';
import { Trainer, trainingState } from '../../src/training/trainer.ts';
import { cacheFolder } from './test-cache.ts';

/** The text that the tests' model has memorised. */
export const knownSource = `/** The area of a rectangle. */
export function area(width: number, height: number): number {
  const product = width * height;
  return product;
}

export function greet(name: string): string {
  const greeting = 'hello ' + name;
  return greeting.toUpperCase();
}
`;

/** Completions that the model certainly makes: the text before the cursor, and the text that it writes there. */
export const known = [
  { before: '  const product = ', middle: 'width * height;' },
  { before: '  return greeting', middle: '.toUpperCase();' },
] as const;

/** The inputs of the model. If any of them changes, the cached one is out of date. */
const madeOf = [
  'src/diffusion',
  'src/engine',
  'src/graph',
  'src/model',
  'src/training',
  'test/vscode/memorised-model.ts',
];

/**
 * A folder with a small model that has memorised `knownSource`, so that its suggestions are known, independently of the
 * bundled model. It is trained on first use, which takes a minute, and kept.
 */
export async function memorisedModel(): Promise<string> {
  const folder = path.join(cacheFolder(), `memorised-model-${fingerprint(madeOf).slice(0, 16)}`);
  if (existsSync(folder)) return folder;
  const temporary = `${folder}.${process.pid}`;
  await trainMemorisedModel(temporary);
  await rename(temporary, folder);
  return folder;
}

async function trainMemorisedModel(folder: string): Promise<void> {
  const files = trainBytePairs([knownSource], 320);
  const tokenizer = new Tokenizer(files);
  const specials = { pad: 0, eos: 1, mask: 2, eom: 3 };
  const size = tokenizer.largestId + 1;
  const config = presetConfig('nano-0.5m', size, specials, 100);
  // The narrowest canvas, a quarter of this one, has room for the known text, which takes many tokens because they are
  // short.
  const generation = { prompt_format: 'plain', block_length: 16, tokens_per_step: 1, line_canvas: 64 } as const;
  const weights = initialWeights(config, new Random(0, 'memorised'));
  const model = await LanguageModel.load(
    new OnnxEngine('cpu'),
    { config, weights, tokenizer, generation },
    trainingState(config),
  );
  const settings = pretrainingSettings.parse({
    preset: 'nano-0.5m',
    learning_rate: 1e-3,
    warmup_steps: 20,
    max_grad_norm: 1,
  });
  const trainer = new Trainer(model, maskedDiffusionLoss, optimizerOf(settings, model.trained.keys(), 0));
  const examples = new GapExamples([{ package: 'test', path: 'known.ts', text: knownSource }], tokenizer, specials.eom);
  for (let step = 1; step <= 1200; step++) {
    const random = new Random(1, step);
    const batch = Array.from({ length: 12 }, () => examples.gap(160, random));
    await trainer.step([maskedDiffusionBatch(batch, specials, 'stratified', random)]);
    if (step % 25 === 0 && (await memorisesText(model))) {
      await model.save(folder);
      await model.dispose();
      return;
    }
  }
  assert.fail('the model did not learn its text');
}

async function memorisesText(model: LanguageModel): Promise<boolean> {
  for (const { before, middle } of known) {
    const cursor = knownSource.indexOf(before) + before.length;
    const { alternatives } = await infill(model, {
      prefix: knownSource.slice(0, cursor),
      suffix: knownSource.slice(cursor + middle.length),
      alternatives: 1,
      seed: 0,
      temperature: 0,
      threshold: 0.9,
      contextTokens: 512,
      singleLine: true,
    });
    if (alternatives[0]!.text !== middle || alternatives[0]!.meanConfidence < 0.8) return false;
  }
  return true;
}

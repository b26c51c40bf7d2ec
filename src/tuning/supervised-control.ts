import type { Engine } from '../engine/engine.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { maskToken } from '../model/config.ts';
import { LanguageModel } from '../model/language-model.ts';
import { Interrupted } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import { type Example, maskedDiffusionBatch, maskedDiffusionLoss } from '../training/masked-diffusion-loss.ts';
import { type OptimizerSettings, optimizerOf } from '../training/optimizer-settings.ts';
import { Trainer, trainingState } from '../training/trainer.ts';

export interface SupervisedControl {
  /** Draws a batch of the labelled examples that the base model was trained on. */
  readonly examples: (random: Random) => Example[];
  readonly optimizer: OptimizerSettings;
  /** Seconds of training. */
  readonly seconds: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: (step: number, loss: number, secondsLeft: number) => void;
}

/**
 * Trains the control to which a tuned model is compared: supervised training of its base model is continued, on the same kind of
 * labelled examples, for the same time as tuning took.
 */
export async function superviseFor(
  engine: Engine,
  base: Checkpoint,
  { examples, optimizer, seconds, seed, signal, onStep }: SupervisedControl,
) {
  const model = await LanguageModel.load(engine, base, trainingState(base.config));
  const trainer = new Trainer(model, maskedDiffusionLoss, optimizerOf(optimizer, model.trained.keys(), 1));
  const { pad_token_id: pad } = base.config;
  const mask = maskToken(base.config);
  const begin = performance.now();
  const left = () => seconds - (performance.now() - begin) / 1000;
  let steps = 0;
  while (left() > 0) {
    if (signal?.aborted) throw new Interrupted('Stopped while the control was trained.');
    const random = new Random(seed, 'control', ++steps);
    const { loss } = await trainer.step([maskedDiffusionBatch(examples(random), { mask, pad }, 'exact-count', random)]);
    onStep?.(steps, loss, Math.max(0, left()));
  }
  await trainer.dispose();
  return { model, steps };
}

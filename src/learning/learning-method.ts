import type { IndexedText } from '../copies/segment.ts';
import { maskToken } from '../model/config.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { UserError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import type { SourceFile } from '../training/code/corpus.ts';
import { GapExamples } from '../training/code/gap-examples.ts';
import { type BatchSize, maskedDiffusionBatch, maskedDiffusionLoss } from '../training/masked-diffusion-loss.ts';
import { optimizerOf } from '../training/optimizer-settings.ts';
import { Trainer } from '../training/trainer.ts';
import type { TrainingMethod } from '../training/training-job.ts';
import type { LearningSettings } from './settings.ts';

/** Characters of the texts that short files are joined to. A text of 256 tokens is cut from any place of them. */
const joined = 20_000;
/** Fewer characters of training files do not make a text. */
const least = 2_000;

/**
 * Supervised masked diffusion on the files of a workspace (LLaDA, arXiv 2502.09992, section 2.2): texts with several gaps, and plain texts in
 * between. Every batch has the same shape, so one program is compiled.
 *
 * @throws UserError if the files have too little text
 */
export function workspaceLearning(
  model: LanguageModel,
  files: readonly IndexedText[],
  settings: LearningSettings,
  seed: number,
): TrainingMethod {
  const characters = files.reduce((sum, { text }) => sum + text.length, 0);
  if (characters < least)
    throw new UserError(
      `The files to learn from have ${characters} characters; learning needs at least ${least}. Choose a workspace with more source code.`,
    );
  const { tokenizer, config } = model;
  const draw = new GapExamples(joinShort(files), tokenizer, config.eom_token_id as number);
  // The learning rate is constant, because a time limit ends the run.
  const trainer = new Trainer(model, maskedDiffusionLoss, optimizerOf(settings, model.trained.keys(), 1));
  const size = batchSize(config, settings);
  const tokens = { mask: maskToken(config), pad: config.pad_token_id };
  return {
    async step(step, context) {
      const random = new Random(seed, 'learning', step);
      const kind = step % settings.text_every === 0 ? 'text' : 'gaps';
      const examples = Array.from({ length: settings.batch_size }, () => draw[kind](size.length, random));
      const batch = maskedDiffusionBatch(examples, tokens, 'stratified', random, size);
      context?.signal.throwIfAborted();
      const { loss, gradNorm, learningRate } = await trainer.step([batch]);
      return {
        metrics: { loss, grad_norm: gradNorm, learning_rate: learningRate },
        tokens: settings.batch_size * size.length,
      };
    },
    dispose: () => trainer.dispose(),
  };
}

/** The size of every batch: half of the tokens can be predicted, more than are masked on average. */
export function batchSize(
  { max_position_embeddings: positions }: { readonly max_position_embeddings: number },
  { batch_size: rows, length }: Pick<LearningSettings, 'batch_size' | 'length'>,
): BatchSize {
  const tokens = Math.min(length, positions);
  return { length: tokens, predictions: Math.ceil((rows * tokens) / 2) };
}

/** Files as texts that are long enough to cut from; short ones are joined, in the order of their names. */
function joinShort(files: readonly IndexedText[]): SourceFile[] {
  const texts: string[] = [];
  let open = '';
  for (const { text } of files) {
    open += text.endsWith('\n') ? text : `${text}\n`;
    if (open.length < joined) continue;
    texts.push(open);
    open = '';
  }
  if (open !== '') texts.push((open.length < joined ? (texts.pop() ?? '') : '') + open);
  return texts.map((text, index) => ({ package: 'workspace', path: String(index), text }));
}

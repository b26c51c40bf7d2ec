import { AutoregressiveWriter } from '../../infilling/autoregressive-model.ts';
import { leftToRightCompleter } from '../../infilling/left-to-right.ts';
import { contextOfMiddle } from '../../model/fill-in-the-middle.ts';
import type { Example } from '../masked-diffusion-loss.ts';
import type { Recipe } from '../recipe.ts';
import {
  type CodeReading,
  codeCurriculum,
  codeRecipe,
  codeSpecials,
  servingDecoding,
  sourcesFolder,
} from './code-recipe.ts';
import { readCorpus } from './corpus.ts';

/**
 * An example with one gap in the autoregressive format: context, middle, one end. All tokens except the first are
 * predicted, as in the paper cited at `givenForMiddle`.
 */
export function fromTheLeft({ tokens, canvases }: Example): Example {
  const all = Array.from(tokens);
  const { start, end } = canvases[0] as Example['canvases'][number];
  const canvas = all.slice(start, end);
  const middle = canvas.slice(0, canvas.indexOf(codeSpecials.eom) + 1);
  return predicted([...contextOfMiddle(all.slice(0, start), all.slice(end), codeSpecials), ...middle]);
}

const predicted = (tokens: ArrayLike<number>): Example => ({ tokens, canvases: [{ start: 1, end: tokens.length }] });

/** Examples for an autoregressive model: plain texts, and texts whose middle is moved to the end. */
export const autoregressiveReading: CodeReading = {
  text: (draw, length, random) => predicted(draw.text(length, random).tokens),
  gap: (draw, length, random) => fromTheLeft(draw.gap(length, random)),
  // The middle is at the end of a text, so a text can have only one gap.
  gaps: (draw, length, random) => fromTheLeft(draw.gap(length, random)),
  completer: (model) =>
    leftToRightCompleter(new AutoregressiveWriter(model, servingDecoding.contextTokens), model.generation),
};

/**
 * The baseline for the code model: the same transformer, tokenizer, files, gaps, batches, steps and optimiser, but
 * trained to predict the next token. It is usable only for comparisons, not for completions in an editor.
 */
export const autoregressiveCodeRecipe: Recipe = {
  ...codeRecipe,
  name: 'code-autoregressive',
  description: 'The small code model trained autoregressively, for comparison',
  modelName: 'unmask-code-autoregressive',
  autoregressive: true,
  prepare: async (hooks) =>
    codeCurriculum(await readCorpus(sourcesFolder(), hooks), hooks, { reading: autoregressiveReading }),
};

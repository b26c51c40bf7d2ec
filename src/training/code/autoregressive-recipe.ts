import { AutoregressiveWriter } from '../../infilling/autoregressive-model.ts';
import { leftToRightCompleter } from '../../infilling/left-to-right.ts';
import { givenForMiddle } from '../../model/fill-in-the-middle.ts';
import type { Example } from '../masked-diffusion-loss.ts';
import type { Recipe } from '../recipe.ts';
import {
  type CodeReading,
  codeCurriculum,
  codeRecipe,
  codeSpecials,
  servedDecoding,
  sourcesFolder,
} from './code-recipe.ts';
import { readCorpus } from './corpus.ts';

/**
 * An example with one gap as an autoregressive model reads it: what is given, the middle, its end once; all tokens but
 * the first are predicted, as in the paper that `givenForMiddle` names.
 */
export function fromTheLeft({ tokens, canvases }: Example): Example {
  const all = Array.from(tokens);
  const { start, end } = canvases[0] as Example['canvases'][number];
  const canvas = all.slice(start, end);
  const middle = canvas.slice(0, canvas.indexOf(codeSpecials.eom) + 1);
  return predicted([...givenForMiddle(all.slice(0, start), all.slice(end), codeSpecials), ...middle]);
}

const predicted = (tokens: ArrayLike<number>): Example => ({ tokens, canvases: [{ start: 1, end: tokens.length }] });

/** How the model reads: texts as they stand, and one gap of a text with its middle behind it. */
export const byWriting: CodeReading = {
  text: (draw, length, random) => predicted(draw.text(length, random).tokens),
  gap: (draw, length, random) => fromTheLeft(draw.gap(length, random)),
  // A text has one middle at its end, so one gap is all that it can hold.
  gaps: (draw, length, random) => fromTheLeft(draw.gap(length, random)),
  completer: (model) =>
    leftToRightCompleter(new AutoregressiveWriter(model, servedDecoding.contextTokens), model.generation),
};

/**
 * The code model's baseline: the same transformer, tokenizer, files, gaps, batches, steps and optimiser, but trained to
 * predict the next token. It is there to be compared with, and completes nothing in an editor.
 */
export const autoregressiveCodeRecipe: Recipe = {
  ...codeRecipe,
  name: 'code-autoregressive',
  description: 'The small code model trained autoregressively, to compare with',
  modelName: 'unmask-code-autoregressive',
  autoregressive: true,
  prepare: async (hooks) => codeCurriculum(await readCorpus(sourcesFolder(), hooks), hooks, { reading: byWriting }),
};

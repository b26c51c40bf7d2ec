import { type Example, maskedDiffusionLoss } from './masked-diffusion-loss.ts';
import type { Batch, Loss } from './trainer.ts';

/** Cross-entropy of the next token: the sum of -w log p, where `weights` [n] are the w, normalised over the step. */
export const nextTokenLoss: Loss = { name: 'next token', define: maskedDiffusionLoss.define };

/** Lengths of texts are rounded up to a multiple of this, so that few programs are compiled. */
const lengthBucket = 128;

/**
 * A batch for a model with `causal` attention: nothing is masked, and the tokens of the examples' canvases are
 * predicted from those before them. The loss is the mean of minus log p over them. The first token of a text has no
 * preceding token and must not be in a canvas.
 */
export function nextTokenBatch(examples: readonly Example[], pad: number): Batch {
  const longest = Math.max(...examples.map(({ tokens }) => tokens.length));
  const length = Math.ceil(longest / lengthBucket) * lengthBucket;
  const size = examples.length * length;
  const tokens = new Int32Array(size).fill(pad);
  const present = new Float32Array(size);
  const weights = new Float32Array(size);
  const predicted = examples.reduce(
    (sum, { canvases }) => sum + canvases.reduce((n, one) => n + one.end - one.start, 0),
    0,
  );
  for (const [row, example] of examples.entries()) {
    const begin = row * length;
    tokens.set(example.tokens, begin);
    present.fill(1, begin, begin + example.tokens.length);
    for (const { start, end } of example.canvases) {
      if (start === 0) throw new RangeError('the first token of a text cannot be predicted from those before it');
      weights.fill(1 / predicted, begin + start, begin + end);
    }
  }
  // Every position has a prediction, whether it counts or not, so that all batches of a size share one program.
  return {
    tokens: { shape: [examples.length, length], data: tokens },
    present: { shape: [examples.length, length], data: present },
    rows: { shape: [size], data: Int32Array.from({ length: size }, (_, position) => position) },
    targets: { shape: [size], data: tokens },
    extra: { weights: { shape: [size], data: weights } },
  };
}

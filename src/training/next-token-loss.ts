import { type Example, maskedDiffusionLoss } from './masked-diffusion-loss.ts';
import type { Batch, Loss } from './trainer.ts';

/** Cross entropy of the next token: the mean over predicted tokens of minus log p, which `weights` [n] divide by. */
export const nextTokenLoss: Loss = { name: 'next token', define: maskedDiffusionLoss.define };

/** Lengths of texts, and numbers of predictions, are rounded up to a multiple of these, so that few programs are compiled. */
const lengthBucket = 16;
const entryBucket = 256;

/**
 * A batch for a model with `causal` attention: nothing is masked, and the tokens of the examples' canvases are predicted
 * from those before them. All count alike. The first token of a text has nothing before it and must not be in a canvas.
 */
export function nextTokenBatch(examples: readonly Example[], pad: number): Batch {
  const longest = Math.max(...examples.map(({ tokens }) => tokens.length));
  const length = Math.ceil(longest / lengthBucket) * lengthBucket;
  const tokens = new Int32Array(examples.length * length).fill(pad);
  const present = new Float32Array(examples.length * length);
  const places: number[] = [];
  for (const [row, example] of examples.entries()) {
    tokens.set(example.tokens, row * length);
    present.fill(1, row * length, row * length + example.tokens.length);
    for (const { start, end } of example.canvases) {
      if (start === 0) throw new RangeError('the first token of a text cannot be predicted from those before it');
      for (let place = start; place < end; place++) places.push(row * length + place);
    }
  }
  const n = Math.ceil(places.length / entryBucket) * entryBucket;
  const rows = new Int32Array(n);
  rows.set(places);
  return {
    tokens: { shape: [examples.length, length], data: tokens },
    present: { shape: [examples.length, length], data: present },
    rows: { shape: [n], data: rows },
    targets: { shape: [n], data: rows.map((place) => tokens[place] as number) },
    extra: { weights: { shape: [n], data: new Float32Array(n).fill(1 / places.length, 0, places.length) } },
  };
}

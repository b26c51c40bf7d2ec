import type { Random } from '../platform/random.ts';
import { drawToken, likeliestToken, probability } from './token-distribution.ts';

/** How tokens are drawn outside the step-by-step decoding. */
export interface DrawOptions {
  readonly temperature: number;
  readonly mask: number;
  readonly random: Random;
}

/**
 * Fills positions of a row at once: each token is drawn independently from its own logits. `logits` is
 * [positions.length * vocabulary]; the row itself is not changed.
 */
export function fillAtOnce(
  row: Int32Array,
  positions: readonly number[],
  logits: Float32Array,
  { temperature, mask, random }: DrawOptions,
): Int32Array {
  const filled = row.slice();
  const vocabulary = logits.length / positions.length;
  for (const [index, position] of positions.entries())
    filled[position] = drawToken(
      logits.subarray(index * vocabulary, (index + 1) * vocabulary),
      temperature,
      mask,
      random,
    );
  return filled;
}

/** As `fillAtOnce`, with the likeliest token at every position. */
export function fillGreedily(
  row: Int32Array,
  positions: readonly number[],
  logits: Float32Array,
  mask: number,
): Int32Array {
  const filled = row.slice();
  const vocabulary = logits.length / positions.length;
  for (const [index, position] of positions.entries())
    filled[position] = likeliestToken(logits.subarray(index * vocabulary, (index + 1) * vocabulary), mask);
  return filled;
}

/**
 * One editing pass over a text without masks: a token drawn at a position replaces the one there if it is another and its
 * probability is above `threshold`. `logits` is [tokens.length * vocabulary]; the text itself is not changed.
 */
export function editTokens(
  tokens: Int32Array,
  logits: Float32Array,
  { temperature, mask, random, threshold }: DrawOptions & { readonly threshold: number },
): { readonly tokens: Int32Array; readonly places: number[] } {
  const edited = tokens.slice();
  const places: number[] = [];
  const vocabulary = logits.length / tokens.length;
  for (const [place, token] of tokens.entries()) {
    const predicted = logits.subarray(place * vocabulary, (place + 1) * vocabulary);
    const drawn = drawToken(predicted, temperature, mask, random);
    if (drawn === token || probability(predicted, drawn, mask) <= threshold) continue;
    edited[place] = drawn;
    places.push(place);
  }
  return { tokens: edited, places };
}

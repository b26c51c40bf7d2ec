import type { Random } from '../platform/random.ts';
import { drawToken, likeliestToken, probability } from './token-distribution.ts';

/** How tokens are drawn when all positions are filled in one pass. */
export interface DrawOptions {
  readonly temperature: number;
  readonly mask: number;
  readonly random: Random;
}

/**
 * Returns a copy of the row in which all `positions` are filled: each token is drawn independently, from its own logits.
 * `logits` is [positions.length * vocabulary].
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

/** Like `fillAtOnce`, but takes the most likely token at every position. */
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
 * One editing pass over a text without masks. A token is drawn at each position; it replaces the current token if it differs
 * and its probability is above `threshold`. `logits` is [tokens.length * vocabulary]. Returns an edited copy of the text and the
 * edited positions.
 */
export function editTokens(
  tokens: Int32Array,
  logits: Float32Array,
  { temperature, mask, random, threshold }: DrawOptions & { readonly threshold: number },
): { readonly tokens: Int32Array; readonly positions: number[] } {
  const edited = tokens.slice();
  const positions: number[] = [];
  const vocabulary = logits.length / tokens.length;
  for (const [position, token] of tokens.entries()) {
    const predicted = logits.subarray(position * vocabulary, (position + 1) * vocabulary);
    const drawn = drawToken(predicted, temperature, mask, random);
    if (drawn === token || probability(predicted, drawn, mask) <= threshold) continue;
    edited[position] = drawn;
    positions.push(position);
  }
  return { tokens: edited, positions };
}

import type { Query } from '../../model/query.ts';
import type { Rollout } from '../rollouts.ts';
import { joinContext } from './canvas-batch.ts';
import type { ScoredSequence } from './scored-sequences.ts';

/** The completion before it was edited, as the decoder wrote it. */
export function draftOf({ tokens, edits }: Pick<Rollout, 'tokens' | 'edits'>): Int32Array {
  return edits?.[0]?.before ?? tokens;
}

/** Number of denoising steps of a completion. */
export function traceLength({ revealedAt }: Pick<Rollout, 'revealedAt'>): number {
  return revealedAt.reduce((most, step) => Math.max(most, step), -1) + 1;
}

/** The canvas before a denoising step, in its context: the tokens that this step and later ones reveal are masked. */
export function stateBefore(rollout: Rollout, step: number, mask: number) {
  const isRevealed = (position: number) => (rollout.revealedAt[position] as number) < step;
  const canvas = draftOf(rollout).map((token, position) => (isRevealed(position) ? token : mask));
  for (const { position, token, revealedAt } of rollout.overwritten ?? [])
    if (revealedAt < step && !isRevealed(position)) canvas[position] = token;
  return joinContext(rollout, canvas);
}

/**
 * A denoising step as a sequence: the log-probability of the tokens that it predicts, times `scale`. The tokens after the end
 * of a middle are forced, so they do not count.
 */
export function stepSequence(rollout: Rollout, step: number, mask: number, scale = 1): ScoredSequence {
  const predicted = rollout.tokens.length - (rollout.forcedTokens ?? 0);
  const targets = draftOf(rollout).slice();
  const weights = Float32Array.from(rollout.revealedAt, (own, position) =>
    own === step && position < predicted ? scale : 0,
  );
  for (const { position, token, revealedAt } of rollout.overwritten ?? [])
    if (revealedAt === step) [targets[position], weights[position]] = [token, scale];
  return [{ ...stateBefore(rollout, step, mask), targets, weights }];
}

export type OpenQuery = Required<Query>;

/** A state as a query for its masked positions. Masks in the prompt are not among them. */
export function openQuery({ seen, prompt, suffix }: ReturnType<typeof stateBefore>, mask: number): OpenQuery {
  const positions: number[] = [];
  for (let position = prompt; position < seen.length - suffix; position++)
    if (seen[position] === mask) positions.push(position);
  return { tokens: seen, positions, canvas: prompt, suffix };
}

/** The canvas part of a query's tokens. */
export const canvasIn = (tokens: Int32Array, { canvas, suffix }: OpenQuery): Int32Array =>
  tokens.slice(canvas, tokens.length - suffix);

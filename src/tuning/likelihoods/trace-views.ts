import type { TokenPrediction } from '../../diffusion/canvas.ts';
import type { Query } from '../../model/query.ts';
import type { Rollout } from '../rollouts.ts';
import { joinContext } from './canvas-batch.ts';
import type { ScoredSequence } from './scored-sequences.ts';

/** The completion as the decoder generated it, before any edits. */
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
 * The tokens that the model predicted while a completion was decoded, with those that were replaced later. The tokens after the
 * end of a middle are set without a prediction, so they are left out.
 */
export function predictionsOf(
  rollout: Pick<Rollout, 'tokens' | 'edits' | 'revealedAt' | 'entropy' | 'forcedTokens' | 'overwritten'>,
): TokenPrediction[] {
  const { revealedAt, entropy, forcedTokens = 0, overwritten = [] } = rollout;
  const draft = draftOf(rollout);
  const kept = Array.from(draft.subarray(0, draft.length - forcedTokens), (token, position) => ({
    position,
    token,
    revealedAt: revealedAt[position] as number,
    entropy: entropy[position] as number,
  }));
  return [...kept, ...overwritten];
}

/**
 * A denoising step as a sequence: the log-probability of the tokens that it predicts, times `scale`. The tokens after the end
 * of a middle are forced, so they do not count.
 */
export function stepSequence(rollout: Rollout, step: number, mask: number, scale = 1): ScoredSequence {
  const targets = draftOf(rollout).slice();
  const weights = new Float32Array(targets.length);
  for (const { position, token, revealedAt } of predictionsOf(rollout))
    if (revealedAt === step) [targets[position], weights[position]] = [token, scale];
  return [{ ...stateBefore(rollout, step, mask), targets, weights }];
}

export type MaskedQuery = Required<Query>;

/** A state as a query for its masked positions. Masks in the prompt are not among them. */
export function maskedQuery(
  { tokens, promptLength, suffixLength }: ReturnType<typeof stateBefore>,
  mask: number,
): MaskedQuery {
  const positions: number[] = [];
  for (let position = promptLength; position < tokens.length - suffixLength; position++)
    if (tokens[position] === mask) positions.push(position);
  return { tokens, positions, canvas: promptLength, suffix: suffixLength };
}

/** The canvas part of a query's tokens. */
export const canvasIn = (tokens: Int32Array, { canvas, suffix }: MaskedQuery): Int32Array =>
  tokens.slice(canvas, tokens.length - suffix);

import { type Canvas, maskedPositions } from './canvas.ts';
import type { CanvasQuery, DecodingSession, SessionContext } from './decoding-session.ts';
import { applyRevealRule, type DecodingRules, needsLogits, type PredictedRow } from './reveal-rules.ts';

/** A canvas, and the masked positions whose logits are requested. */
export interface MaskedCanvas {
  readonly canvas: Canvas;
  readonly positions: readonly number[];
}

/** Predicts the tokens at masked positions: per canvas one row for each of its positions, in order. */
export type Predict = (
  canvases: readonly MaskedCanvas[],
  rules: DecodingRules,
) => Promise<readonly (readonly PredictedRow[])[]>;

/** How the caller stops and observes decoding. */
export interface DecodingHooks {
  /** Checked before every step; if it is aborted, decoding rejects with its reason. */
  readonly signal?: AbortSignal;
  /** Awaited before every step; throws to stop. */
  readonly checkCancelled?: () => Promise<void> | void;
  /** Called after every step with the canvases that took part in it. */
  readonly onStep?: (canvases: readonly Canvas[]) => void;
}

/** How the caller stops and observes the filling of canvases. */
export interface FillHooks extends DecodingHooks {
  /** Called after each step; if it returns true, the rest of that canvas is not decoded. */
  readonly isOver?: (canvas: Canvas) => boolean;
}

/**
 * The loop that denoises all text: the canvases that are not done take a denoising step together, until all are done. A canvas
 * depends only on its own context and random numbers, not on the other canvases in the batch.
 */
export async function fillCanvases(
  canvases: readonly Canvas[],
  predict: Predict,
  rules: DecodingRules,
  { signal, checkCancelled, onStep, isOver }: FillHooks = {},
): Promise<void> {
  for (let active = notDone(canvases); active.length > 0; active = notDone(active)) {
    signal?.throwIfAborted();
    await checkCancelled?.();
    const queries = active.map((canvas) => ({ canvas, positions: maskedPositions(canvas, rules.mask) }));
    const predicted = await predict(queries, rules);
    for (const [row, { canvas, positions }] of queries.entries()) {
      applyRevealRule(canvas, positions, predicted[row] as readonly PredictedRow[], rules);
      canvas.done ||= isOver?.(canvas) ?? false;
    }
    onStep?.(active);
  }
}

const notDone = (canvases: readonly Canvas[]): Canvas[] => canvases.filter(({ done }) => !done);

/**
 * Predicts canvases with the session that opened their contexts. Whole rows of logits are copied to the host only if a canvas needs
 * them.
 */
export const predictorOf =
  (session: DecodingSession): Predict =>
  (canvases, rules) => {
    const queries = canvases.map(
      ({ canvas: { context, tokens }, positions }): CanvasQuery => ({
        context: context as SessionContext,
        tokens,
        positions,
      }),
    );
    return session.predicts && !canvases.some(({ canvas }) => needsLogits(canvas, rules))
      ? session.predictions(queries)
      : session.logits(queries);
  };

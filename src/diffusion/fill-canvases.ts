import { type Canvas, openPositions } from './canvas.ts';
import type { CanvasQuery, DecodingSession, SessionText } from './decoding-session.ts';
import { applyRevealRule, type DecodingRules } from './reveal-rules.ts';

/** Masked positions of a canvas, whose logits are asked for. */
export interface OpenCanvas {
  readonly canvas: Canvas;
  readonly positions: readonly number[];
}

/** Logits at open positions: per canvas one row [vocabulary] for each of its positions, in order. */
export type Predict = (open: readonly OpenCanvas[]) => Promise<readonly (readonly Float32Array[])[]>;

/** Who may stop a decoding, and who watches it. */
export interface DecodingHooks {
  /** Checked before every step; the decoding rejects with its reason. */
  readonly signal?: AbortSignal;
  /** Awaited before every step; throws to stop. */
  readonly checkCancelled?: () => Promise<void> | void;
  /** Called after every step with the canvases that took part in it. */
  readonly onStep?: (canvases: readonly Canvas[]) => void;
}

/**
 * The one loop that makes text: all canvases that are not done take a step together, one forward pass each, until all are.
 * A canvas depends on its own text and random numbers only, so a batch can be cut differently without changing it.
 * `isOver` is asked after each step whether the rest of a canvas is not needed.
 */
export async function fillCanvases(
  canvases: readonly Canvas[],
  predict: Predict,
  rules: DecodingRules,
  { signal, checkCancelled, onStep, isOver }: DecodingHooks & { readonly isOver?: (canvas: Canvas) => boolean } = {},
): Promise<void> {
  for (let open = notDone(canvases); open.length > 0; open = notDone(open)) {
    signal?.throwIfAborted();
    await checkCancelled?.();
    const asked = open.map((canvas) => ({ canvas, positions: openPositions(canvas, rules.mask) }));
    const logits = await predict(asked);
    for (const [row, { canvas, positions }] of asked.entries()) {
      applyRevealRule(canvas, positions, logits[row] as readonly Float32Array[], rules);
      canvas.done ||= isOver?.(canvas) ?? false;
    }
    onStep?.(open);
  }
}

const notDone = (canvases: readonly Canvas[]): Canvas[] => canvases.filter(({ done }) => !done);

/** Predictions of a session that opened the canvases' texts. */
export const predictIn =
  (session: DecodingSession): Predict =>
  (open) =>
    session.logits(
      open.map(
        ({ canvas: { text, tokens }, positions }): CanvasQuery => ({ text: text as SessionText, tokens, positions }),
      ),
    );

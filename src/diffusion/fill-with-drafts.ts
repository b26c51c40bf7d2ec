import { type Canvas, maskedPositions } from './canvas.ts';
import type { DecodingSession, SessionContext } from './decoding-session.ts';
import type { FillHooks } from './fill-canvases.ts';
import { applyRevealRule, type DecodingRules } from './reveal-rules.ts';
import { assess, likeliestToken } from './token-distribution.ts';

/** Default number of tokens of a draft. */
export const defaultDraftTokens = 8;

/** Maximum number of tokens that are written without a draft after a draft of which no token was kept. */
const longestPause = 8;

/** How drafts are made and checked. */
export interface Drafting {
  readonly session: DecodingSession;
  /** The token at the positions after the draft, if the program has a fixed length. */
  readonly filler: number;
  readonly draftTokens?: number;
  /** Whether the model denoises a draft if none can be copied; default: yes. */
  readonly denoises?: boolean;
}

/** A token of a draft, and the entropy of its prediction in nats (0 for a copied token). */
interface DraftToken {
  readonly token: number;
  readonly entropy: number;
}

/**
 * Fills a canvas of a model with `causal-context` attention from the left, with drafts (self-speculation, arXiv 2607.05722). A draft
 * is copied if the last tokens occur earlier in the text (`copiedDraft`); otherwise one pass denoises the next tokens in parallel.
 * Then a causal pass of the same weights computes the logits after each token of the draft. As long as the token that is drawn from
 * the causal logits equals that of the draft, the next logits are valid too. Tokens are drawn from causal logits only, so the text is that
 * of autoregressive decoding, in fewer passes. After a denoised draft of which no token was kept, one token is written without a
 * draft; after the next such draft two, then four, then eight. Therefore a model with bad drafts needs only a few more passes than
 * the text has tokens. The canvas must have blocks of one token.
 *
 * Each pass is a step. Tokens of a draft that are kept count as revealed by the step before the causal pass; the others are recorded
 * as overwritten.
 */
export async function fillWithDrafts(
  canvas: Canvas,
  rules: DecodingRules,
  { session, filler, draftTokens = defaultDraftTokens, denoises = true }: Drafting,
  { signal, checkCancelled, onStep, isOver }: FillHooks = {},
): Promise<void> {
  const context = canvas.context as SessionContext;
  const width = canvas.tokens.length;
  const beforePass = async () => {
    signal?.throwIfAborted();
    await checkCancelled?.();
  };
  /** The first `length` tokens of the canvas, or all of them if the model compiles a program for each length. */
  const cut = (length: number): Int32Array => canvas.tokens.slice(0, session.predicts ? length : width);

  /** Denoises a draft of the tokens after the first `written` ones, in one pass. */
  const denoiseDraft = async (written: number): Promise<DraftToken[]> => {
    const end = Math.min(width, written + draftTokens);
    await beforePass();
    const [rows] = await session.logits([{ context, tokens: cut(end), positions: range(written, end) }]);
    const draft = rows!.map((row) => {
      const token = likeliestToken(row, rules.mask);
      return { token, entropy: assess(row, token, rules.mask).entropy };
    });
    canvas.tokens.set(
      draft.map(({ token }) => token),
      written,
    );
    canvas.forwards++;
    onStep?.([canvas]);
    canvas.tokens.fill(rules.mask, written);
    return draft;
  };

  /** Checks a draft in one causal pass, and returns how many of its tokens were kept. */
  const verify = async (written: number, draft: readonly DraftToken[]): Promise<number> => {
    // The logits after the whole draft predict one more token.
    const end = Math.min(width, written + draft.length + 1);
    const tokens = cut(end);
    tokens.fill(filler, written);
    for (const [index, { token }] of draft.entries()) tokens[written + index] = token;
    await beforePass();
    const positions = range(written, end);
    const [rows] = await session.logits([{ context, tokens, positions, causal: true }]);
    const step = canvas.forwards;
    let kept = 0;
    for (const [index, row] of rows!.entries()) {
      const position = positions[index] as number;
      applyRevealRule(canvas, [position], [row], rules);
      canvas.forwards = step;
      if (canvas.tokens[position] !== draft[index]?.token) break;
      canvas.revealedAt[position] = step - 1;
      kept = index + 1;
      if (canvas.done) break;
    }
    for (const [index, { token, entropy }] of draft.entries())
      if (index >= kept && canvas.tokens[written + index] !== token)
        canvas.overwritten.push({ position: written + index, token, revealedAt: step - 1, entropy });
    canvas.done ||= isOver?.(canvas) ?? false;
    canvas.forwards++;
    onStep?.([canvas]);
    return kept;
  };

  /** A draft that is copied from earlier text; empty if there is none. */
  const copyDraft = (written: number): DraftToken[] => {
    const text = [...context.prompt, ...canvas.tokens.subarray(0, written)];
    const length = Math.min(draftTokens, width - written);
    return copiedDraft(text, length).map((token) => ({ token, entropy: 0 }));
  };

  let [pause, nextPause] = [0, 1];
  while (!canvas.done) {
    const [written] = maskedPositions(canvas, rules.mask) as [number];
    // Drafts do not take the healed prefix into account, so none is used before it is spelled.
    const copied = canvas.unspelled === '' ? copyDraft(written) : [];
    if (copied.length > 0) await verify(written, copied);
    else if (!denoises || pause > 0 || canvas.unspelled !== '') {
      pause = Math.max(0, pause - 1);
      await verify(written, []);
    } else if ((await verify(written, await denoiseDraft(written))) > 0) nextPause = 1;
    else {
      pause = nextPause;
      nextPause = Math.min(longestPause, 2 * nextPause);
    }
  }
}

/** A draft is copied if at least this many tokens at the end of a text occur earlier. */
const shortestMatch = 2;
/** At most this many tokens are compared. */
const longestMatch = 8;

/**
 * The tokens that follow the longest earlier occurrence of the text's last tokens; of equally long occurrences, the last. Empty if
 * the last two tokens do not occur earlier.
 */
export function copiedDraft(text: ArrayLike<number>, length: number): number[] {
  const end = text.length;
  let [best, from] = [shortestMatch - 1, -1];
  for (let start = end - 1; start > 0 && best < longestMatch; start--) {
    let matched = 0;
    while (matched < longestMatch && matched < start && text[start - 1 - matched] === text[end - 1 - matched])
      matched++;
    if (matched > best) [best, from] = [matched, start];
  }
  return from < 0
    ? []
    : Array.from({ length: Math.min(length, end - from) }, (_, index) => text[from + index] as number);
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

import type { Tokenizer } from '../model/tokenizer.ts';
import { type Canvas, type Denoised, resultOf } from './canvas.ts';
import type { DecodingRules, GapRules } from './reveal-rules.ts';

/** When to stop decoding an alternative early, because its rest would not be shown. */
export interface StoppingRules {
  /** Whether everything after `text`, the text of the tokens before the first mask, would be cut off. */
  readonly isOver: (text: string) => boolean;
  /**
   * An alternative is stopped if at least eight of its tokens are revealed and their mean confidence is below this. Tokens with
   * high confidence are revealed first, so the mean seldom rises later.
   */
  readonly leastConfidence: number;
}

/** An alternative's confidence is not judged before this many of its tokens are revealed. */
const minimumRevealed = 8;

/** The middle that was decoded on a canvas. */
export interface Infilling extends Denoised {
  /** The middle up to its end, or up to the first mask if it was stopped; without the healed prefix. */
  readonly text: string;
  /** Tokens of the healed prefix and the middle, without the end. */
  readonly length: number;
  /** Whether the middle ends within the canvas. */
  readonly ended: boolean;
  /**
   * Mean confidence of the revealed tokens of the middle. If the middle is empty, the confidence of its end; 0 if the canvas holds
   * only the healed prefix.
   */
  readonly meanConfidence: number;
}

/** Decoding rules, including those of a gap. */
export type InfillRules = DecodingRules & { readonly gap: GapRules };

/** Whether the rules stop an alternative before its end; `healed` is its healed prefix. */
export function isStopped(canvas: Canvas, healed: string, rules: InfillRules, stops: StoppingRules): boolean {
  const masked = canvas.tokens.reduce((count, token) => count + Number(token === rules.mask), 0);
  const revealed = canvas.tokens.length - masked - canvas.spelledTokens;
  if (revealed >= minimumRevealed && meanConfidence(canvas, rules) < stops.leastConfidence) return true;
  return stops.isOver(writtenText(canvas, healed, rules).text);
}

/** The result of a canvas that is done or stopped. */
export function infillingOf(canvas: Canvas, healed: string, rules: InfillRules): Infilling {
  const { text, length, ended } = writtenText(canvas, healed, rules);
  return {
    ...resultOf(canvas),
    text: rules.gap.lineEnds.size > 0 ? (text.split(/\r?\n/, 1)[0] as string) : text,
    length,
    ended,
    meanConfidence: meanConfidence(canvas, rules),
  };
}

/** The canvas's text up to its end or the first mask, without the healed prefix. */
function writtenText({ tokens }: Denoised, healed: string, { mask, gap: { end, tokenizer } }: InfillRules) {
  const found = tokens.findIndex((token) => token === end || token === mask);
  const length = found === -1 ? tokens.length : found;
  const text = tokenizer.decode(tokens.subarray(0, length)).slice(healed.length);
  return { text, length, ended: tokens[length] === end };
}

/** The mean over the revealed tokens before the end, without those of the healed prefix. */
function meanConfidence({ tokens, confidence, spelledTokens }: Canvas, { mask, gap: { end } }: InfillRules): number {
  const found = tokens.indexOf(end);
  const positions = [...tokens.keys()].slice(
    spelledTokens,
    found === -1 ? undefined : Math.max(spelledTokens + 1, found),
  );
  const counted = positions.filter((position) => tokens[position] !== mask);
  // A narrow canvas may hold only the healed prefix.
  if (counted.length === 0) return 0;
  return counted.reduce((sum, position) => sum + (confidence[position] as number), 0) / counted.length;
}

const newlinesOf = new WeakMap<Tokenizer, ReadonlySet<number>>();

/** The ids of all tokens that contain a line break. */
export function newlineTokens(tokenizer: Tokenizer): ReadonlySet<number> {
  let found = newlinesOf.get(tokenizer);
  if (!found) {
    found = new Set(tokenizer.texts.flatMap((text, id) => (text.includes('\n') ? [id] : [])));
    newlinesOf.set(tokenizer, found);
  }
  return found;
}

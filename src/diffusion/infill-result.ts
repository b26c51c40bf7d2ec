import type { Tokenizer } from '../model/tokenizer.ts';
import { type Canvas, type Denoised, resultOf } from './canvas.ts';
import type { DecodingRules, GapRules } from './reveal-rules.ts';

/** When the rest of an alternative is not worth its time, because it would not be shown. */
export interface StoppingRules {
  /** Whether what follows this text would be cut off. The text is what is revealed from the left without a gap. */
  readonly isOver: (text: string) => boolean;
  /**
   * An alternative of eight tokens or more is given up if their mean probability is below this. The tokens of highest
   * confidence are revealed first, so one that begins below it seldom rises above.
   */
  readonly leastConfidence: number;
}

/** An alternative's confidence is judged from this many tokens on. */
const judgedAfter = 8;

/** The middle that a canvas was filled with. */
export interface Infilling extends Denoised {
  /** The middle up to its end, or up to where it was stopped, without the healed prefix. */
  readonly text: string;
  /** Tokens of the healed prefix and the middle, without the end. */
  readonly length: number;
  /** Whether the middle came to its end within the canvas. */
  readonly ended: boolean;
  /**
   * Mean probability of the revealed tokens of the middle when they were revealed; that of its end if the middle is empty, 0
   * if the canvas had no room for it.
   */
  readonly meanConfidence: number;
}

/** The rules of a canvas in a gap. */
export type InfillRules = DecodingRules & { readonly gap: GapRules };

/** Whether the rest of a canvas is not needed; `healed` is what the canvas began with. */
export function isStopped(canvas: Canvas, healed: string, rules: InfillRules, stops: StoppingRules): boolean {
  const masked = canvas.tokens.reduce((count, token) => count + Number(token === rules.mask), 0);
  const revealed = canvas.tokens.length - masked - canvas.spelledTokens;
  if (revealed >= judgedAfter && meanConfidence(canvas, rules) < stops.leastConfidence) return true;
  return stops.isOver(writtenText(canvas, healed, rules).text);
}

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

/** What the canvas holds from the left up to its end or the first mask. */
function writtenText({ tokens }: Denoised, healed: string, { mask, gap: { end, tokenizer } }: InfillRules) {
  const found = tokens.findIndex((token) => token === end || token === mask);
  const length = found === -1 ? tokens.length : found;
  const text = tokenizer.decode(tokens.subarray(0, length)).slice(healed.length);
  return { text, length, ended: tokens[length] === end };
}

/** Of the revealed tokens before the end, without those that spell what was typed already. */
function meanConfidence({ tokens, confidence, spelledTokens }: Canvas, { mask, gap: { end } }: InfillRules): number {
  const found = tokens.indexOf(end);
  const positions = [...tokens.keys()].slice(
    spelledTokens,
    found === -1 ? undefined : Math.max(spelledTokens + 1, found),
  );
  const counted = positions.filter((position) => tokens[position] !== mask);
  // A narrow canvas may hold no more than the healed prefix.
  if (counted.length === 0) return 0;
  return counted.reduce((sum, position) => sum + (confidence[position] as number), 0) / counted.length;
}

const known = new WeakMap<Tokenizer, ReadonlySet<number>>();

/** Tokens that hold a line break. */
export function newlineTokens(tokenizer: Tokenizer): ReadonlySet<number> {
  let found = known.get(tokenizer);
  if (!found) {
    found = new Set(tokenizer.texts.flatMap((text, id) => (text.includes('\n') ? [id] : [])));
    known.set(tokenizer, found);
  }
  return found;
}

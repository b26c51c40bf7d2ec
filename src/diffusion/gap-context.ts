import type { ModelConfig } from '../model/config.ts';
import { suffixFirst, suffixFirstOverhead, suffixFirstTokens, type TextEdges } from '../model/fill-in-the-middle.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import type { CanvasContext } from './decoding-session.ts';

/** Tokens before and after a gap. */
export interface GapContext {
  readonly prefix: readonly number[];
  readonly suffix: readonly number[];
}

/** The context of a canvas in the order in which a model reads prefix and suffix. */
export function canvasContext(config: ModelConfig, { prefix, suffix }: GapContext, width: number): CanvasContext {
  const special = suffixFirstTokens(config);
  return special ? { prompt: suffixFirst(prefix, suffix, special), width } : { prompt: prefix, suffix, width };
}

/** Number of tokens that the order of the context adds to prefix and suffix. */
export const contextOverhead = (config: ModelConfig): number => (suffixFirstTokens(config) ? suffixFirstOverhead : 0);

/** More characters than a token of code usually has. It limits how much of a long text is encoded. */
const charactersPerToken = 8;

/** The text around a gap, and how much of it is read. */
export interface GapText {
  readonly prefix: string;
  readonly suffix: string;
  readonly contextTokens: number;
  /** Special tokens before and after the text, where it is read to its beginning and its end; default: none. */
  readonly edges?: TextEdges | null;
}

/**
 * The tokens nearest to the gap, at most `contextTokens` and at most `available` in total, special tokens included. The suffix is
 * guaranteed a quarter of them; tokens that one side does not need go to the other. Line ends become LF, as in the training data.
 */
export function readContext(
  tokenizer: Tokenizer,
  { prefix, suffix, contextTokens, edges = null }: GapText,
  available: number,
): GapContext {
  const budget = Math.max(0, Math.min(contextTokens, available) - (edges ? 2 : 0));
  const [before, after] = [
    lastCharacters(prefix, budget * charactersPerToken),
    firstCharacters(suffix, budget * charactersPerToken),
  ];
  const [left, right] = [before, after].map((text) => tokenizer.encode(text.replaceAll('\r\n', '\n'))) as [
    number[],
    number[],
  ];
  const reserved = Math.min(right.length, Math.floor(budget / 4));
  const nearest = left.slice(Math.max(0, left.length - (budget - reserved)));
  const following = right.slice(0, budget - nearest.length);
  const isFromBeginning = nearest.length === left.length && before.length === prefix.length;
  const isToEnd = following.length === right.length && after.length === suffix.length;
  return {
    prefix: edges && isFromBeginning ? [edges.begin, ...nearest] : nearest,
    suffix: edges && isToEnd ? [...following, edges.end] : following,
  };
}

/** The last `count` characters, or fewer: the cut is never within a surrogate pair. */
function lastCharacters(text: string, count: number): string {
  const cut = text.slice(Math.max(0, text.length - count));
  return /^[\uDC00-\uDFFF]/.test(cut) && cut.length < text.length ? cut.slice(1) : cut;
}

/** The first `count` characters, or fewer: the cut is never within a surrogate pair or a CRLF. */
function firstCharacters(text: string, count: number): string {
  const cut = text.slice(0, count);
  return /[\uD800-\uDBFF\r]$/.test(cut) && cut.length < text.length ? cut.slice(0, -1) : cut;
}

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

/** More characters than a token of code usually has. This limits how much of a long text is encoded. */
const charactersPerToken = 8;

/** The start of a kept context moves in steps of at most this many tokens. */
const windowStep = 128;
/** The start of the encoded part of a long prefix moves in steps of this many characters for each token of the budget. */
const charactersPerStep = 4;

export interface ContextRequest {
  readonly prefix: string;
  readonly suffix: string;
  readonly contextTokens: number;
  /**
   * Whether keys and values of this context are kept for the next one. If so, the start of the prefix moves in steps, so that it
   * seldom changes when text is added at the cursor. Default: no.
   */
  readonly isKept?: boolean;
  /** Special tokens that mark the beginning and the end of the text, if it is read that far; default: none. */
  readonly edges?: TextEdges | null;
}

/**
 * The tokens nearest to the gap, at most `contextTokens` and at most `available` in total, special tokens included. The suffix is
 * guaranteed a quarter of them; tokens that one side does not need go to the other. Line ends become LF, as in the training data.
 */
export function readContext(
  tokenizer: Tokenizer,
  { prefix, suffix, contextTokens, isKept = false, edges = null }: ContextRequest,
  available: number,
): GapContext {
  const budget = Math.max(0, Math.min(contextTokens, available) - (edges ? 2 : 0));
  const step = isKept ? Math.max(1, Math.min(windowStep, Math.floor(budget / 4))) : 1;
  const roundUpToStep = (count: number): number => Math.ceil(count / step) * step;
  const excessCharacters = Math.max(0, prefix.length - budget * charactersPerToken);
  const charactersPerMove = isKept ? budget * charactersPerStep : 1;
  const skipped = Math.ceil(excessCharacters / charactersPerMove) * charactersPerMove;
  const nearSuffix = firstCharacters(suffix, budget * charactersPerToken);
  const before = tokenizer.encode(lastCharacters(prefix, prefix.length - skipped).replaceAll('\r\n', '\n'));
  const after = tokenizer.encode(nearSuffix.replaceAll('\r\n', '\n'));
  const reserved = Math.min(after.length, Math.floor(budget / 4));
  const suffixBudget = Math.max(reserved, budget - roundUpToStep(before.length));
  const ofSuffix = after.slice(0, suffixBudget);
  const excessTokens = Math.max(0, before.length - (budget - ofSuffix.length));
  const ofPrefix = before.slice(roundUpToStep(excessTokens));
  const isFromBeginning = skipped === 0 && ofPrefix.length === before.length;
  const isToEnd = nearSuffix.length === suffix.length && ofSuffix.length === after.length;
  return {
    prefix: edges && isFromBeginning ? [edges.begin, ...ofPrefix] : ofPrefix,
    suffix: edges && isToEnd ? [...ofSuffix, edges.end] : ofSuffix,
  };
}

/** The last `count` characters, or fewer: the cut is never within a surrogate pair. */
function lastCharacters(text: string, count: number): string {
  const cut = count > 0 ? text.slice(-count) : '';
  return /^[\uDC00-\uDFFF]/.test(cut) && cut.length < text.length ? cut.slice(1) : cut;
}

/** The first `count` characters, or fewer: the cut is never within a surrogate pair or a CRLF. */
function firstCharacters(text: string, count: number): string {
  const cut = text.slice(0, count);
  return /[\uD800-\uDBFF\r]$/.test(cut) && cut.length < text.length ? cut.slice(0, -1) : cut;
}

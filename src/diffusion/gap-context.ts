import type { ModelConfig } from '../model/config.ts';
import { suffixFirst, suffixFirstOverhead, suffixFirstTokens } from '../model/fill-in-the-middle.ts';
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

/**
 * The tokens nearest to the gap, at most `contextTokens` and at most `available` in total. The suffix is guaranteed a quarter of
 * them; tokens that one side does not need go to the other. Line ends become LF, as in the training data.
 */
export function readContext(
  tokenizer: Tokenizer,
  {
    prefix,
    suffix,
    contextTokens,
  }: { readonly prefix: string; readonly suffix: string; readonly contextTokens: number },
  available: number,
): GapContext {
  const budget = Math.min(contextTokens, available);
  const before = tokenizer.encode(lastCharacters(prefix, budget * charactersPerToken).replaceAll('\r\n', '\n'));
  const after = tokenizer.encode(firstCharacters(suffix, budget * charactersPerToken).replaceAll('\r\n', '\n'));
  const reserved = Math.min(after.length, Math.floor(budget / 4));
  const kept = before.slice(Math.max(0, before.length - (budget - reserved)));
  return { prefix: kept, suffix: after.slice(0, budget - kept.length) };
}

/** The last `count` characters, or fewer: the cut is never within a surrogate pair. */
function lastCharacters(text: string, count: number): string {
  const cut = text.slice(-count);
  return /^[\uDC00-\uDFFF]/.test(cut) && cut.length < text.length ? cut.slice(1) : cut;
}

/** The first `count` characters, or fewer: the cut is never within a surrogate pair or a CRLF. */
function firstCharacters(text: string, count: number): string {
  const cut = text.slice(0, count);
  return /[\uD800-\uDBFF\r]$/.test(cut) && cut.length < text.length ? cut.slice(0, -1) : cut;
}

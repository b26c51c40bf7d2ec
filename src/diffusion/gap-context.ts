import type { Tokenizer } from '../model/tokenizer.ts';

/** Tokens before and after a gap. */
export interface GapContext {
  readonly prefix: readonly number[];
  readonly suffix: readonly number[];
}

/** More characters than a token of code has, so that a text is not encoded far beyond what is kept of it. */
const charactersPerToken = 8;

/**
 * At most `contextTokens` and `available` tokens, the nearest to the gap: up to three quarters of them before it, and what
 * one side does not need goes to the other. Line ends are those of the training data.
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

/** Cut between whole characters, never within a surrogate pair or a line break. */
function lastCharacters(text: string, count: number): string {
  const cut = text.slice(-count);
  return /^[\uDC00-\uDFFF]/.test(cut) && cut.length < text.length ? cut.slice(1) : cut;
}

function firstCharacters(text: string, count: number): string {
  const cut = text.slice(0, count);
  return /[\uD800-\uDBFF\r]$/.test(cut) && cut.length < text.length ? cut.slice(0, -1) : cut;
}

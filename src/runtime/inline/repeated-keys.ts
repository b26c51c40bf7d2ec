import type { TextAtCursor } from './text-at-cursor.ts';

/** Characters before and after the cursor in which keys are looked for. */
const reach = 4_000;
const key = /^\s*(?:\/\/[^\n]*\n\s*)*(['"]?)([A-Za-z_$][\w$-]*)\1\s*:(?!:)/;

/**
 * Whether a completion writes a key that its object literal already has, before the cursor, after it, or in the completion itself. Brackets
 * and quotes are counted without a grammar.
 */
export function repeatsKey(text: string, { prefix, suffix }: TextAtCursor): boolean {
  const before = prefix.slice(-reach);
  const whole = before + text + suffix.slice(0, reach);
  const [begin, end] = [before.length, before.length + text.length];
  /** The keys of each open brace, with the offsets at which they begin; null for other brackets. */
  const open: (Map<string, number> | null)[] = [];
  for (let at = 0; at < whole.length; at++) {
    const character = whole[at] as string;
    if ('\'"`'.includes(character)) at = endOfQuote(whole, at);
    else if (character === '/' && whole[at + 1] === '/')
      at = Math.max(at, (whole.indexOf('\n', at) + 1 || whole.length) - 1);
    else if ('([{'.includes(character)) open.push(character === '{' ? new Map() : null);
    else if (')]}'.includes(character)) {
      open.pop();
      // Nothing after this can belong to an object that the completion writes to.
      if (at >= end && open.length === 0) return false;
    }
    const keys = open.at(-1);
    const found = keys && (character === '{' || character === ',') ? key.exec(whole.slice(at + 1, at + 400)) : null;
    if (!keys || !found) continue;
    const name = found[2] as string;
    const place = at + 1 + found[0].lastIndexOf(name);
    const first = keys.get(name);
    const isWritten = (offset: number) => offset >= begin && offset < end;
    if (first !== undefined && (isWritten(first) || isWritten(place))) return true;
    if (first === undefined) keys.set(name, place);
  }
  return false;
}

/** The offset of the closing quote; a quote without one on its line counts as a character. */
function endOfQuote(text: string, begin: number): number {
  const quote = text[begin];
  for (let at = begin + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === quote) return at;
    else if (text[at] === '\n' && quote !== '`') return begin;
  }
  return begin;
}

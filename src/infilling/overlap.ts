import { scanBrackets } from '../syntax/brackets.ts';

/**
 * Removes the end of a completion that repeats the text after the cursor (the longest such end). A closing bracket
 * that closes one of the completion's own is kept.
 */
export function withoutOverlap(text: string, suffix: string): string {
  const following = suffix.replaceAll('\r\n', '\n');
  for (let length = Math.min(text.length, following.length); length > 0; length--) {
    const tail = text.slice(-length);
    if (!following.startsWith(tail)) continue;
    if (tail.trim() === '') return text;
    if (/^[)\]}>;,\s]+$/.test(tail) && closesItsOwn(tail, text)) continue;
    return text.slice(0, -length);
  }
  return text;
}

/**
 * Whether a closing bracket in the tail closes one that the text opens. A `>` can also be an operator, so angle brackets are not
 * counted.
 */
function closesItsOwn(tail: string, text: string): boolean {
  const brackets = tail.match(/[)\]}]/g)?.length ?? 0;
  if (brackets === 0) return tail.includes('>') && text.includes('<');
  const unmatched = scanBrackets(text).closes.filter(({ offset }) => offset >= text.length - tail.length);
  return unmatched.length < brackets;
}

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

/** A `>` can also be an operator, so angle brackets are not counted. */
const closesItsOwn = (tail: string, text: string): boolean =>
  /[)\]}]/.test(tail) ? isBalanced(text) : tail.includes('>') && text.includes('<');

function isBalanced(text: string): boolean {
  const open: string[] = [];
  const pairs: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };
  for (const character of text) {
    if ('([{'.includes(character)) open.push(character);
    else if (character in pairs && open.pop() !== pairs[character]) return false;
  }
  return open.length === 0;
}

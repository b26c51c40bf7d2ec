/**
 * A key that occurs twice in one object of this JSON text, where parsers disagree which value counts. Undefined:
 * none.
 */
export function duplicateKey(text: string): string | undefined {
  /** The keys of each open object; null for an open array. */
  const open: (Set<string> | null)[] = [];
  let key: string | undefined;
  // A regular expression would not do: JavaScript's fail on strings of a few million characters.
  for (let at = 0; at < text.length; at++) {
    const token = text[at];
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token === '"') {
      const end = endOfString(text, at);
      const quoted = text.slice(at, end + 1);
      key = quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
      at = end;
    } else if (token === ':') {
      const keys = open.at(-1);
      if (keys?.has(key as string)) return key;
      keys?.add(key as string);
    }
  }
  return undefined;
}

/** The index of the closing quote. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

/** A key that stands twice in an object of this JSON text, of which readers keep one or the other; undefined: none. */
export function duplicateKey(text: string): string | undefined {
  /** The keys of each object that is open; null for a list. */
  const open: (Set<string> | null)[] = [];
  let key: string | undefined;
  // Not with a regular expression: those of JavaScript fail at strings of some million characters.
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

/** Where the quote stands that ends a string. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

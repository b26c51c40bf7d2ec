/** A key that stands twice in an object of this JSON text, of which readers keep one or the other; undefined: none. */
export function duplicateKey(text: string): string | undefined {
  /** The keys of each object that is open; null for a list. */
  const open: (Set<string> | null)[] = [];
  let key: string | undefined;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const keys = open.at(-1);
      if (keys?.has(key as string)) return key;
      keys?.add(key as string);
    } else if (token !== ',') key = token.includes('\\') ? (JSON.parse(token) as string) : token.slice(1, -1);
  }
  return undefined;
}

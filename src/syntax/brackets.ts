/** An unmatched character of a text, at an offset. */
export interface Unmatched {
  readonly character: string;
  readonly offset: number;
}

/** The brackets and quotes of a text that have no counterpart in it. */
export interface BracketScan {
  /** Those that close what was opened before the text. */
  readonly closes: readonly Unmatched[];
  /** Those that the text opens and does not close. */
  readonly opens: readonly Unmatched[];
}

const openerOf: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };
const quotes = '\'"`';

/**
 * Scans a text for brackets and quotes, without a grammar, so that it works for every language. Quotes end with their line, except
 * for backticks. Line comments and apostrophes within words are skipped.
 *
 * @param quote the quote within which the text begins, if any
 */
export function scanBrackets(text: string, quote: string | null = null): BracketScan {
  const closes: Unmatched[] = [];
  const opens: Unmatched[] = [];
  /** The open quote; `offset` is null if it was opened before the text. */
  let open: { readonly character: string; readonly offset: number | null } | null =
    quote === null ? null : { character: quote, offset: null };
  for (let offset = 0; offset < text.length; offset++) {
    const character = text[offset] as string;
    if (open !== null) {
      if (character === '\\') offset++;
      else if (character === open.character) {
        if (open.offset === null) closes.push({ character, offset });
        open = null;
      } else if (character === '\n' && open.character !== '`') open = null;
    } else if (quotes.includes(character)) {
      if (!isApostrophe(text, offset)) open = { character, offset };
    } else if (beginsComment(text, offset)) offset = endOfLine(text, offset) - 1;
    else if ('([{'.includes(character)) opens.push({ character, offset });
    else if (character in openerOf) {
      if (opens.at(-1)?.character === openerOf[character]) opens.pop();
      else closes.push({ character, offset });
    }
  }
  if (open !== null && open.offset !== null) opens.push({ character: open.character, offset: open.offset });
  return { closes, opens };
}

/** The quote that is open at the end of a line; null if there is none. */
export function openQuote(line: string): string | null {
  const last = scanBrackets(line).opens.at(-1)?.character;
  return last !== undefined && quotes.includes(last) ? last : null;
}

const isApostrophe = (text: string, offset: number): boolean =>
  text[offset] === "'" && /[A-Za-z]/.test(text[offset - 1] ?? '') && /[A-Za-z]/.test(text[offset + 1] ?? '');

function beginsComment(text: string, offset: number): boolean {
  if (text.startsWith('//', offset)) return text[offset - 1] !== ':';
  return text[offset] === '#' && /^#\s/.test(text.slice(offset, offset + 2)) && /^\s?$/.test(text[offset - 1] ?? '');
}

const endOfLine = (text: string, offset: number): number => (text.indexOf('\n', offset) + 1 || text.length + 1) - 1;

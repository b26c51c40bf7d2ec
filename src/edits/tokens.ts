import type { Span } from '../protocol/text-edit.ts';

export type TokenKind = 'word' | 'number' | 'string' | 'punctuation';

/** A token of a line: characters [start, end) of the text. */
export interface Token extends Span {
  readonly kind: TokenKind;
  readonly text: string;
}

const tokenPattern =
  /(?<word>[\p{L}_$@#][\p{L}\p{N}_$]*)|(?<number>\d[\w.]*)|(?<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\\n]|\\.)*`)|(?<punctuation>=>|\?\.|\*\*|&&|\|\||\?\?|[=!<>]==?|[^\s])/gu;

/** The tokens of characters [start, end) of a text. White space separates them. */
export function tokensOf(text: string, start = 0, end = text.length): Token[] {
  return [...text.slice(start, end).matchAll(tokenPattern)].map((match) => {
    const kind = (['word', 'number', 'string'] as const).find((one) => match.groups![one] !== undefined);
    const from = start + match.index;
    return { kind: kind ?? 'punctuation', text: match[0], start: from, end: from + match[0].length };
  });
}

const partOfName = /[\p{L}\p{N}_$]/u;

export const isNamePart = (character: string | undefined): boolean =>
  character !== undefined && partOfName.test(character);

/** Whether a text is one identifier. */
export const isName = (text: string): boolean => /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(text);

/** The name, or the part of one, around a span: extended over all adjoining characters of names. */
export function nameAround(text: string, { start, end }: Span): Span {
  let [from, to] = [start, end];
  while (isNamePart(text[from - 1])) from--;
  while (isNamePart(text[to])) to++;
  return { start: from, end: to };
}

/** The places of a text in another one that do not begin or end within a name. */
export function occurrencesOf(sought: string, text: string): Span[] {
  const found: Span[] = [];
  for (let start = text.indexOf(sought); start !== -1; start = text.indexOf(sought, start + 1)) {
    const end = start + sought.length;
    const isWithin =
      (isNamePart(sought[0]) && isNamePart(text[start - 1])) || (isNamePart(sought.at(-1)) && isNamePart(text[end]));
    if (!isWithin) found.push({ start, end });
  }
  return found;
}

/** The line of a text that contains an offset, without its line break. */
export function lineAround(text: string, offset: number): Span {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const next = text.indexOf('\n', offset);
  const end = next === -1 ? text.length : next;
  return { start, end: text[end - 1] === '\r' && end > start ? end - 1 : end };
}

const wordsOf = (list: string): ReadonlySet<string> => new Set(list.split(' '));

/** Words that decide what a line is. */
const statementWords = wordsOf(
  'abstract and as assert async await break case catch class const continue def default del delete do elif else enum except export extends finally fn for from func function get global go if impl implements import in instanceof interface is lambda let match mod module mut namespace new nonlocal not of or package pass private protected pub public raise readonly return set static struct super switch throw try type typeof use var void while with yield',
);
/** Names of types and values that are part of a language. */
const builtIn = wordsOf(
  'any bool boolean false False float int never nil none None null number object self Self str string symbol this true True undefined unknown',
);

export const isStatementWord = (word: string): boolean => statementWords.has(word);

/** Whether a word is part of a language, and no name. */
export const isKeyword = (word: string): boolean => isStatementWord(word) || builtIn.has(word);

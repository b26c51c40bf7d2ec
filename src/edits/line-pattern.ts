import { minimalEdit, type TextEdit } from '../protocol/text-edit.ts';
import { isStatementWord, type Token, tokensOf } from './tokens.ts';

/** Characters of the longest line that is compared. */
export const longestLine = 300;

/** An edit of a line in terms of its tokens. */
export interface LinePattern {
  readonly indent: string;
  readonly tokens: readonly Token[];
  readonly line: string;
  /** The edited tokens: [first, last), none if text is inserted between two. */
  readonly first: number;
  readonly last: number;
  /** What they become, as characters between the tokens on both sides. */
  readonly after: string;
  /** Tokens among the edited ones that stay, which may differ in other lines. */
  readonly kept: ReadonlySet<string>;
  /** The edit within a token, if it changes only a part of one. */
  readonly inside: { readonly old: string; readonly new: string; readonly at: 'begin' | 'end' } | null;
}

/** The pattern of an edit of a line; null if the line has too few tokens. */
export function patternOf(line: string, change: TextEdit): LinePattern | null {
  const tokens = tokensOf(line);
  if (tokens.length < 2) return null;
  const edited = line.slice(0, change.start) + change.text + line.slice(change.end);
  const grown = change.text.length - (change.end - change.start);
  const result = tokensOf(edited);
  // Tokens before and after the edit that it leaves as they are.
  let first = 0;
  while (first < tokens.length && first < result.length && isSame(tokens[first]!, result[first]!)) {
    if (tokens[first]!.end > change.start) break;
    first++;
  }
  let rest = 0;
  while (rest < tokens.length - first && rest < result.length - first) {
    const [old, now] = [tokens.at(-1 - rest)!, result.at(-1 - rest)!];
    if (!isSame(old, now) || old.start < change.end || old.start + grown !== now.start) break;
    rest++;
  }
  const last = tokens.length - rest;
  const from = first === 0 ? 0 : tokens[first - 1]!.end;
  const to = rest === 0 ? line.length : tokens[last]!.start;
  const between = result.slice(first, result.length - rest);
  const old = tokens.slice(first, last);
  return {
    indent: /^\s*/.exec(line)![0],
    tokens,
    line,
    first,
    last,
    after: edited.slice(from, to + grown),
    kept: new Set(old.filter((token) => between.some((one) => isSame(one, token))).map((token) => token.text)),
    inside: old.length === 1 && between.length === 1 ? insideOf(old[0]!, between[0]!) : null,
  };
}

const isSame = (one: Token, other: Token): boolean => one.kind === other.kind && one.text === other.text;

/** The change within a word or a string, if it is at its beginning or its end. */
function insideOf(old: Token, now: Token): LinePattern['inside'] {
  if (old.kind !== now.kind || (old.kind !== 'word' && old.kind !== 'string')) return null;
  const quote = old.kind === 'string' ? 1 : 0;
  if (quote === 1 && (old.text[0] !== now.text[0] || old.text.length < 3)) return null;
  const inner = (token: Token): string => token.text.slice(quote, token.text.length - quote);
  const [before, after] = [inner(old), inner(now)];
  const change = minimalEdit(before, { start: 0, end: before.length, text: after });
  const at = change.start === 0 ? 'begin' : change.end === before.length ? 'end' : null;
  if (at === null || (change.start === 0 && change.end === before.length)) return null;
  return { old: before.slice(change.start, change.end), new: change.text, at };
}

/** The edit that a pattern makes in another line; null if that line has another shape, or the edit would change nothing. */
export function carryTo(pattern: LinePattern, line: string): (TextEdit & { readonly same: number }) | null {
  if (line.length > longestLine || /^\s*/.exec(line)![0] !== pattern.indent) return null;
  const tokens = tokensOf(line);
  const { first, last, inside, kept } = pattern;
  if (tokens.length !== pattern.tokens.length) return null;
  const names = new Map<string, string>();
  for (const [index, token] of tokens.entries()) {
    const model = pattern.tokens[index]!;
    if (token.kind !== model.kind) return null;
    const isFixed = token.kind === 'punctuation' || isStatementWord(model.text) || isStatementWord(token.text);
    const isReplaced = index >= first && index < last && !inside && !kept.has(model.text);
    if ((isFixed || isReplaced) && token.text !== model.text) return null;
    const known = names.get(model.text);
    if (known !== undefined && known !== token.text) return null;
    names.set(model.text, token.text);
  }
  const start = first === 0 ? 0 : tokens[first - 1]!.end;
  const end = last === tokens.length ? line.length : tokens[last]!.start;
  const text = inside
    ? partReplaced(tokens[first]!, inside, line.slice(start, end))
    : substituted(pattern.after, names);
  if (text === null) return null;
  const edit = minimalEdit(line, { start, end, text });
  if (edit.start === edit.end && edit.text === '') return null;
  const isSameAt = (index: number): boolean => tokens[index]?.text === pattern.tokens[index]?.text;
  return { ...edit, same: Number(isSameAt(first - 1)) + Number(isSameAt(last)) };
}

/** A token with its part replaced, within the characters around it. */
function partReplaced(token: Token, inside: NonNullable<LinePattern['inside']>, around: string): string | null {
  const quote = token.kind === 'string' ? 1 : 0;
  const inner = token.text.slice(quote, token.text.length - quote);
  const { old, new: now, at } = inside;
  const hasPart = at === 'begin' ? inner.startsWith(old) : inner.endsWith(old);
  // A line in which the edit was made already.
  const isDone = now !== '' && (at === 'begin' ? inner.startsWith(now) : inner.endsWith(now));
  if (!hasPart || isDone || inner === '') return null;
  const replaced = at === 'begin' ? now + inner.slice(old.length) : inner.slice(0, inner.length - old.length) + now;
  const [open, close] = [token.text.slice(0, quote), token.text.slice(token.text.length - quote)];
  return around.replace(token.text, () => open + replaced + close);
}

/** A text in which tokens are replaced as they differ between two lines. */
function substituted(text: string, names: ReadonlyMap<string, string>): string {
  let result = '';
  let at = 0;
  for (const token of tokensOf(text)) {
    result +=
      text.slice(at, token.start) + (token.kind === 'punctuation' ? token.text : (names.get(token.text) ?? token.text));
    at = token.end;
  }
  return result + text.slice(at);
}

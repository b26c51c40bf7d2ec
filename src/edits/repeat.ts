import { applyEdit, minimalEdit, type Span, type TextEdit } from '../protocol/text-edit.ts';
import { partOf } from '../syntax/part-of.ts';
import type { RecentEdit } from './edit-log.ts';
import { nameChangeOf } from './rename.ts';
import {
  ageOf,
  type Candidate,
  classOf,
  fromPlace,
  type Situation,
  sharedContext,
  skippedPlaces,
} from './situation.ts';
import { isNamePart, isStatementWord, lineAround, nameAround, occurrencesOf, type Token, tokensOf } from './tokens.ts';

/** Places of each kind that are proposed. */
const mostPlaces = 5;
/** Occurrences of a text that are looked at. */
const mostOccurrences = 200;
/** Lines on each side of the edit in which lines of the same shape are looked for. */
const reach = 150;
/** Characters of the longest line that is compared. */
const longestLine = 300;

/**
 * An edit repeated at other places: where the same text is replaced, and in lines of the same shape, where names, numbers and
 * strings may differ and the new text varies with them.
 */
export function proposeRepeats(situation: Situation): Candidate[] {
  const found = [...sameTexts(situation)];
  for (const edit of editsOfLine(situation)) found.push(...sameShapes(situation, edit));
  const seen = new Set<string>();
  return found.filter(({ start, end, text: inserted }) => {
    const key = `${start} ${end} ${inserted}`;
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew;
  });
}

/** The places of the text that an edit replaced or deleted. A changed name is a rename instead. */
function sameTexts(situation: Situation): Candidate[] {
  const { text, root, edit, edits } = situation;
  if (nameChangeOf(text, edit)) return [];
  const { start, before, after } = wholeTokens(text, edit);
  if (before.trim() === '' || before.includes('\n')) return [];
  const own = { start, end: start + after.length };
  const part = root ? partOf(root, own.start, own.end) : 'code';
  const same = edits
    .map((other) => ({ ...other, ...wholeTokens(text, other) }))
    .filter((other) => other.before === before && other.after === after);
  const made = same.map((other) => ({ start: other.start, end: other.start + other.after.length }));
  const places = occurrencesOf(before, text)
    // The new text may contain the old one.
    .filter((place) => made.every((one) => place.end <= one.start || place.start >= one.end))
    .slice(0, mostOccurrences);
  const skipped = skippedPlaces(places, same);
  return fromPlace(places, own.end)
    .filter((place) => !root || partOf(root, place.start, place.end) === part)
    .slice(0, mostPlaces)
    .map((place, order) => ({
      ...place,
      source: 'repeat',
      text: after,
      label:
        after === '' ? `Delete ${shown(before)} here too` : `Replace ${shown(before)} with ${shown(after)} here too`,
      features: [
        `same text, support ${Math.min(same.length, 3)}`,
        sharedContext(text, own, place),
        skipped,
        ageOf(situation),
        `${kindOf(before)}, ${part}`,
        place.start > own.end ? `after ${Math.min(order, 2)}` : 'before',
      ],
    }));
}

/** What a replaced text is, in few classes. */
function kindOf(text: string): string {
  const tokens = tokensOf(text);
  if (tokens.length > 1) return `tokens ${classOf(tokens.length)}`;
  return isStatementWord(text.trim()) ? 'keyword' : (tokens[0]?.kind ?? 'other');
}

/**
 * An edit extended over the whole of the names that it begins and ends in. An insertion that continues a name, such as `.length` or `this.`,
 * is extended over that name.
 */
function wholeTokens(
  text: string,
  { start, before, after }: RecentEdit,
): Pick<RecentEdit, 'start' | 'before' | 'after'> {
  const end = start + after.length;
  const continues = before === '' && /^[.?([!]/.test(after);
  const leads = before === '' && /[.([!]$/.test(after);
  const from =
    continues || isNamePart(before[0]) || isNamePart(after[0]) ? nameAround(text, { start, end: start }).start : start;
  const to =
    leads || isNamePart(before.at(-1)) || isNamePart(after.at(-1)) ? nameAround(text, { start: end, end }).end : end;
  const [left, right] = [text.slice(from, start), text.slice(end, to)];
  return { start: from, before: left + before + right, after: left + after + right };
}

/** An edit within a line. */
interface LineEdit {
  readonly line: Span;
  /** The line before the edit, and the edit of it. */
  readonly before: string;
  readonly change: TextEdit;
}

/** The edit of a line, and together with the edit before it if that is on the same line, such as both halves of a wrap. */
function editsOfLine({ text, edit, edits }: Situation): LineEdit[] {
  const newest = edit;
  const single = lineEditOf(text, [newest]);
  if (!single) return [];
  const earlier = edits[edits.indexOf(edit) - 1];
  const both =
    earlier && earlier.start >= single.line.start && earlier.start <= single.line.end ? [earlier, newest] : null;
  const joined = both && lineEditOf(text, both);
  return joined ? [joined, single] : [single];
}

function lineEditOf(text: string, edits: readonly RecentEdit[]): LineEdit | null {
  if (edits.some(({ before, after }) => /\n/.test(before + after))) return null;
  const line = lineAround(text, edits[0]!.start);
  if (line.end - line.start > longestLine) return null;
  let before = text.slice(line.start, line.end);
  // From the right, so that the places on the left stay valid.
  for (const { start, before: old, after } of [...edits].sort((a, b) => b.start - a.start)) {
    const from = start - line.start;
    if (from < 0 || from + after.length > before.length) return null;
    before = before.slice(0, from) + old + before.slice(from + after.length);
  }
  const after = text.slice(line.start, line.end);
  const change = minimalEdit(before, { start: 0, end: before.length, text: after });
  return change.start === change.end && change.text === '' ? null : { line, before, change };
}

/** The edit of a line carried to the lines near it that have the shape which it had. */
function sameShapes(situation: Situation, { line, before, change }: LineEdit): Candidate[] {
  const { text, root, edits, edit } = situation;
  const pattern = patternOf(before, change);
  if (!pattern) return [];
  const part = root ? partOf(root, edit.start, edit.start + edit.after.length) : 'code';
  const found: (TextEdit & { label: string; distance: number; same: number })[] = [];
  for (const [distance, other] of linesNear(text, line)) {
    const own = text.slice(other.start, other.end);
    const carried = carryTo(pattern, own);
    if (!carried) continue;
    const { same, ...inLine } = carried;
    const [start, end] = [other.start + carried.start, other.start + carried.end];
    if (root && partOf(root, start, end) !== part) continue;
    found.push({ start, end, text: carried.text, label: shown(applyEdit(own, inLine)), distance, same });
  }
  const alike = edits.filter((one) => {
    const earlier = one === edit ? null : lineEditOf(text, [one]);
    const carried = earlier && earlier.line.start !== line.start ? carryTo(pattern, earlier.before) : null;
    return carried && applyEdit(earlier!.before, carried) === text.slice(earlier!.line.start, earlier!.line.end);
  });
  const skipped = skippedPlaces(found, [...alike, edit]);
  return fromPlace(found, line.end)
    .slice(0, mostPlaces)
    .map(({ distance, same, ...place }, order) => ({
      ...place,
      source: 'repeat',
      label: `Make the same edit: ${place.label}`,
      features: [
        `same shape, support ${Math.min(alike.length + 1, 3)}`,
        ['other ends', 'one same end', 'same ends'][same]!,
        `${Math.abs(distance) === 1 ? 'next line' : Math.abs(distance) < 6 ? 'near' : 'far'}, ${skipped}`,
        ageOf(situation),
        `tokens ${classOf(pattern.tokens.length)}`,
        place.start > line.end ? `after ${Math.min(order, 2)}` : 'before',
      ],
    }));
}

/** An edit of a line in terms of its tokens. */
interface Pattern {
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

function patternOf(line: string, change: TextEdit): Pattern | null {
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
function insideOf(old: Token, now: Token): Pattern['inside'] {
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
function carryTo(pattern: Pattern, line: string): (TextEdit & { readonly same: number }) | null {
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
function partReplaced(token: Token, inside: NonNullable<Pattern['inside']>, around: string): string | null {
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

/** The lines around a line, each with the number of lines that it is away. */
function* linesNear(text: string, line: Span): Generator<readonly [distance: number, line: Span]> {
  let after = line;
  for (let distance = 1; distance <= reach; distance++) {
    const start = text.indexOf('\n', after.end) + 1;
    if (start === 0) break;
    after = lineAround(text, start);
    yield [distance, after];
  }
  let before = line;
  for (let distance = -1; distance >= -reach && before.start > 0; distance--) {
    before = lineAround(text, before.start - 1);
    yield [distance, before];
  }
}

/** Characters of a text that a label shows. */
const longestShown = 60;
const shown = (text: string): string => {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > longestShown ? `${line.slice(0, longestShown - 1)}…` : line;
};

import { applyEdit, minimalEdit, type Span, type TextEdit } from '../protocol/text-edit.ts';
import { partOf } from '../syntax/part-of.ts';
import type { RecentEdit } from './edit-log.ts';
import { carryTo, longestLine, patternOf } from './line-pattern.ts';
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
import { isNamePart, isStatementWord, lineAround, nameAround, occurrencesOf, tokensOf } from './tokens.ts';

/** Places of each kind that are proposed. */
const mostPlaces = 5;
/** Occurrences of a text that are looked at. */
const mostOccurrences = 200;
/** Lines on each side of the edit in which lines of the same shape are looked for. */
const reach = 150;

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

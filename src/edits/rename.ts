import type { Node } from '@vscode/tree-sitter-wasm';
import type { Span } from '../protocol/text-edit.ts';
import { partOf } from '../syntax/part-of.ts';
import type { RecentEdit } from './edit-log.ts';
import { ageOf, type Candidate, fromPlace, type Situation, sharedContext, skippedPlaces } from './situation.ts';
import { isKeyword, isName, nameAround, occurrencesOf } from './tokens.ts';

/** Places that are proposed, and occurrences that are looked at. */
const mostPlaces = 8;
const mostOccurrences = 200;

/** An identifier that was replaced by another one. */
export interface NameChange {
  readonly from: string;
  readonly to: string;
  /** Where the new one is. */
  readonly span: Span;
}

/** The identifier that an edit of a text changed; null if it changed something else. */
export function nameChangeOf(text: string, { start, before, after }: RecentEdit): NameChange | null {
  const trimmed = after.trimEnd();
  const end = start + (before.endsWith(trimmed.at(-1) ?? '') ? after.length : trimmed.length);
  const span = nameAround(text, { start, end });
  const to = text.slice(span.start, span.end);
  const from = text.slice(span.start, start) + before + text.slice(end, span.end);
  const isChange = from !== to && isName(from) && isName(to) && !isKeyword(from) && !isKeyword(to);
  return isChange ? { from, to, span } : null;
}

/**
 * A changed identifier carried on to its other places: those that a language server found, or else those in the text, without comments and
 * strings.
 */
export function proposeRenames(situation: Situation): Candidate[] {
  const { text, root, edit, edits, references } = situation;
  const change = nameChangeOf(text, edit);
  if (!change) return [];
  const { from, to, span } = change;
  if (root && partOf(root, span.start, span.end) !== 'code') return [];
  const known = references?.name === from ? references.spans : null;
  const written = occurrencesOf(from, text).slice(0, mostOccurrences);
  const places = known
    ? known.filter((place) => written.some(({ start, end }) => start === place.start && end === place.end))
    : written.filter((place) => !root || partOf(root, place.start, place.end) === 'code');
  const same = edits.filter((other) => {
    const own = nameChangeOf(text, other);
    return own?.from === from && own.to === to;
  });
  const isNew = occurrencesOf(to, text).length <= same.length;
  const role = root ? roleOf(root, span) : 'unknown';
  const skipped = skippedPlaces(places, same);
  return fromPlace(places, span.end)
    .slice(0, mostPlaces)
    .map((place, index) => ({
      ...place,
      source: known ? 'rename' : 'text-rename',
      text: to,
      label: `Rename ${from} to ${to}`,
      features: [
        `support ${Math.min(same.length, 3)}`,
        sharedContext(text, span, place),
        `${isNew ? 'new' : 'known'} name, ${skipped}`,
        ageOf(situation),
        `${role} to ${root ? roleOf(root, place) : 'unknown'}`,
        place.start > span.end ? `after ${Math.min(index, 2)}` : 'before',
      ],
    }));
}

/** What an identifier is in its syntax tree, in few classes. */
function roleOf(root: Node, { start, end }: Span): string {
  const node = root.descendantForIndex(start, end);
  const holder = node?.parent;
  if (!node || !holder) return 'other';
  if (/import/.test(holder.type)) return 'import';
  const isOwn = (field: string): boolean => holder.childForFieldName(field)?.startIndex === node.startIndex;
  if (isOwn('property') || isOwn('attribute')) return 'member';
  if (/parameter/.test(holder.type) || holder.type === 'formal_parameters') return 'declaration';
  if (/declarat|definition|signature|assignment_pattern/.test(holder.type) && (isOwn('name') || isOwn('left')))
    return 'declaration';
  if (/pair|property|shorthand/.test(node.type + holder.type)) return 'key';
  return /type/.test(node.type) ? 'type' : 'use';
}

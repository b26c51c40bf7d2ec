import type { Node } from '@vscode/tree-sitter-wasm';
import type { NextEditSource } from '../protocol/next-edits.ts';
import type { Span } from '../protocol/text-edit.ts';
import type { EditLog, RecentEdit } from './edit-log.ts';
import { type Token, tokensOf } from './tokens.ts';

/** A document, what a user has edited in it, and the edit that proposals follow from. */
export interface Situation {
  readonly languageId: string;
  readonly text: string;
  /** The syntax tree of the text; null for a language without a grammar and for a long text. */
  readonly root: Node | null;
  /** The edit that the proposals follow from, and the number of other edits since. */
  readonly edit: RecentEdit;
  readonly age: number;
  /** All recent edits, the oldest first. */
  readonly edits: EditLog['edits'];
  /** All places of the name that the cursor entered, as a language server found them; null if they are not known. */
  readonly references: References | null;
}

export interface References {
  /** The name before it was edited. */
  readonly name: string;
  /** Where the other places are now. */
  readonly spans: readonly Span[];
}

/** An edit that could come next, and what its chance depends on. */
export interface Candidate extends Span {
  readonly source: NextEditSource;
  /** What characters [start, end) of the text become. */
  readonly text: string;
  /** What happens, for the user: "Rename total to sum". */
  readonly label: string;
  /** What its chance depends on: the gate has a weight for each. */
  readonly features: readonly string[];
}

/** A count as a feature, in few classes. */
export const classOf = (count: number): string => (count >= 8 ? '8+' : count >= 4 ? '4+' : String(count));

/** Tokens on each side of a place, and the characters in which they are looked for. */
const contextTokens = 4;
const contextCharacters = 80;

/** How many tokens next to two places agree, on the left and on the right together, in few classes. */
export function sharedContext(text: string, one: Span, other: Span): string {
  const before = ({ start }: Span) => tokensOf(text, Math.max(0, start - contextCharacters), start).toReversed();
  const after = ({ end }: Span) => tokensOf(text, end, Math.min(text.length, end + contextCharacters));
  return `context ${classOf(agreeing(before(one), before(other)) + agreeing(after(one), after(other)))}`;
}

function agreeing(one: readonly Token[], other: readonly Token[]): number {
  let count = 0;
  while (count < contextTokens && one[count] && one[count]!.text === other[count]?.text) count++;
  return count;
}

/** The number of places between the first and the last of some edits that did the same, which the user left as they are. */
export function skippedPlaces(places: readonly Span[], same: readonly RecentEdit[]): string {
  const starts = same.map(({ start }) => start);
  const [first, last] = [Math.min(...starts), Math.max(...starts)];
  return `skipped ${Math.min(3, places.filter(({ start }) => start > first && start < last).length)}`;
}

export const ageOf = ({ age }: Situation): string => `age ${Math.min(age, 3)}`;

/** Places in the order in which a user gets to them: those after an offset, then those before it. */
export function fromPlace<T extends Span>(places: readonly T[], offset: number): T[] {
  return [...places.filter(({ start }) => start >= offset), ...places.filter(({ start }) => start < offset)];
}

import type { Node } from '@vscode/tree-sitter-wasm';
import type { EditLog, RecentEdit } from './edit-log.ts';
import type { Span } from './text-edit.ts';

/** What a user has done so far in a document: the place that a next edit is proposed for. */
export interface Situation {
  readonly languageId: string;
  readonly text: string;
  /** The syntax tree of the text; null for a language without a grammar and for a long text. */
  readonly root: Node | null;
  /** The newest edit, which the proposals follow from. */
  readonly edit: RecentEdit;
  /** Its edits with the newest one, the oldest first. */
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

/** Why an edit is proposed. */
export const editSources = ['rename', 'text-rename', 'repeat', 'call-site', 'import'] as const;
export type EditSource = (typeof editSources)[number];

/** An edit that could come next, and what its chance depends on. */
export interface Candidate extends Span {
  readonly source: EditSource;
  /** What characters [start, end) of the text become. */
  readonly text: string;
  /** What happens, for the user: "Rename total to sum". */
  readonly label: string;
  /** From the most to the least important; counts of how often an edit with the same features was right give its chance. */
  readonly features: readonly string[];
}

/** A count as a feature, in few classes. */
export const classOf = (count: number): string => (count >= 8 ? '8+' : count >= 4 ? '4+' : String(count));

/** Places in the order in which a user gets to them: those after an offset, then those before it. */
export function fromPlace<T extends Span>(places: readonly T[], offset: number): T[] {
  return [...places.filter(({ start }) => start >= offset), ...places.filter(({ start }) => start < offset)];
}

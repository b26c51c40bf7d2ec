import type { Position } from 'vscode-languageserver';
import { TextDocument, type TextDocumentContentChangeEvent } from 'vscode-languageserver-textdocument';
import type { TextEdit } from '../protocol/text-edit.ts';

/** A document at some time. */
export interface DocumentVersion {
  readonly uri: string;
  readonly version: number;
  readonly text: string;
}

/** A document after some changes, which are made in place. */
export interface UpdatedDocument {
  readonly document: TextDocument;
  readonly before: DocumentVersion;
  /**
   * Whether a change replaced characters by others, as an input method does with the letters that it composes from. Typing and deleting
   * replace nothing.
   */
  readonly hasReplaced: boolean;
  /** The changes by offsets, each in the text after those before it; null if the whole text was replaced. */
  readonly edits: readonly TextEdit[] | null;
}

/** Applies changes to a document. */
export function updateDocument(
  document: TextDocument,
  changes: readonly TextDocumentContentChangeEvent[],
  version: number,
): UpdatedDocument {
  const before = { uri: document.uri, version: document.version, text: document.getText() };
  let updated = document;
  let hasReplaced = false;
  let edits: TextEdit[] | null = [];
  for (const change of changes) {
    const range = 'range' in change ? (change.range as { start: Position; end: Position }) : undefined;
    hasReplaced ||= replaces(updated.getText(range), change.text);
    if (range)
      edits?.push({ start: updated.offsetAt(range.start), end: updated.offsetAt(range.end), text: change.text });
    else edits = null;
    updated = TextDocument.update(updated, [change], version);
  }
  return { document: updated, before, hasReplaced, edits };
}

/** Whether `after` differs from `before` by more than an insertion at one place or a deletion at one place. */
function replaces(before: string, after: string): boolean {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  let end = 0;
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  return start + end < shorter;
}

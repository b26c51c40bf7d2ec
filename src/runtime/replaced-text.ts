import type { Position } from 'vscode-languageserver';
import { TextDocument, type TextDocumentContentChangeEvent } from 'vscode-languageserver-textdocument';

/**
 * Applies changes to a document, and says whether one of them replaced characters by others, as an input method does with the letters
 * that it composes from. Typing and deleting replace nothing.
 */
export function updateDocument(
  document: TextDocument,
  changes: readonly TextDocumentContentChangeEvent[],
  version: number,
): { readonly document: TextDocument; readonly hasReplaced: boolean } {
  let updated = document;
  let hasReplaced = false;
  for (const change of changes) {
    const range = 'range' in change ? (change.range as { start: Position; end: Position }) : undefined;
    hasReplaced ||= replaces(updated.getText(range), change.text);
    updated = TextDocument.update(updated, [change], version);
  }
  return { document: updated, hasReplaced };
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

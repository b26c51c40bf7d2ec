import type { Position } from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import type { CompletionQuery } from './completions.ts';

/** The query for completions at a position of a document. */
export function queryAt(
  document: TextDocument,
  position: Position,
  how: Pick<CompletionQuery, 'trigger' | 'listIsOpen'>,
): CompletionQuery {
  const text = document.getText();
  const offset = document.offsetAt(position);
  const { line, character } = position;
  const { uri, languageId } = document;
  return {
    uri,
    languageId,
    line,
    character,
    text: { prefix: text.slice(0, offset), suffix: text.slice(offset) },
    ...how,
  };
}

/** The position at which `text` ends if it begins at `begin`. The document may use other line endings than the text. */
export function endOf(text: string, begin: Position): Position {
  const lines = text.split('\n');
  const { length } = lines.at(-1) as string;
  return lines.length === 1
    ? { line: begin.line, character: begin.character + length }
    : { line: begin.line + lines.length - 1, character: length };
}

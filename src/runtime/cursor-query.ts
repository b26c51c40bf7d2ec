import { ErrorCodes, type Position, ResponseError } from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import type { CompletionQuery } from './completions.ts';

/**
 * The query for completions at a position of a document. Its text has LF as line ends, whatever the document has, so that the same
 * code gets the same suggestions. A position after the end of the document is refused with JSON-RPC's error for invalid parameters.
 *
 * @param before text that precedes the document, such as the earlier cells of a notebook
 */
export function queryAt(
  document: TextDocument,
  position: Position,
  how: Pick<CompletionQuery, 'trigger' | 'listIsOpen'>,
  before = '',
): CompletionQuery {
  if (!isInside(document, position))
    throw new ResponseError(
      ErrorCodes.InvalidParams,
      `Line ${position.line}, character ${position.character} is after the end of ${document.uri}; send the changes of the document first.`,
    );
  const text = document.getText();
  const offset = document.offsetAt(position);
  const { line, character } = document.positionAt(offset);
  const { uri, languageId } = document;
  return {
    uri,
    languageId,
    line,
    character,
    text: { prefix: before + withLineFeeds(text.slice(0, offset)), suffix: withLineFeeds(text.slice(offset)) },
    ...how,
  };
}

/**
 * Whether a position is not after the end of a document. Within a line, LSP reads a character after the line's end as that end; after
 * the last line there is no such place.
 */
export function isInside(document: TextDocument, { line, character }: Position): boolean {
  const end = document.positionAt(document.getText().length);
  return line < end.line || (line === end.line && character <= end.character);
}

const withLineFeeds = (text: string): string => text.replaceAll('\r\n', '\n');

/** A suggestion with the line ends of the document. */
export const withLineEndsOf = (document: TextDocument, text: string): string =>
  /\r?\n/.exec(document.getText())?.[0] === '\r\n' ? text.replaceAll('\n', '\r\n') : text;

/** The position at which `text` ends if it begins at `begin`. The document may use other line endings than the text. */
export function endOf(text: string, begin: Position): Position {
  const lines = text.split('\n');
  const { length } = lines.at(-1) as string;
  return lines.length === 1
    ? { line: begin.line, character: begin.character + length }
    : { line: begin.line + lines.length - 1, character: length };
}

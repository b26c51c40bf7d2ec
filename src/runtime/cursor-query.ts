import {
  ErrorCodes,
  type Position,
  type Range,
  ResponseError,
  type SelectedCompletionInfo,
} from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import type { CompletionQuery } from './completion-query.ts';

/** A query, and how its suggestions are inserted. */
export interface CursorQuery {
  readonly query: CompletionQuery;
  /** The text that a suggestion replaces. */
  readonly range: Range;
  /** The text that every suggestion begins with: the selected item of the suggestion list, or nothing. */
  readonly begin: string;
}

/** What a query depends on, apart from the document and the position. */
export interface QueryContext {
  readonly trigger: CompletionQuery['trigger'];
  /** The selected item of the suggestion list; default: the list is closed. */
  readonly selected?: SelectedCompletionInfo | undefined;
  /** Text that precedes the document, such as the earlier cells of a notebook. */
  readonly before?: string;
}

/**
 * The query for completions at a position of a document. Its text has LF as line ends, also if the document has others, so that the same
 * code gets the same suggestions. A position after the end of the document is refused with JSON-RPC's error for invalid parameters.
 *
 * While the suggestion list is open, VS Code shows only suggestions that begin with its selected item, so the query is as if that
 * item were accepted.
 */
export function queryAt(
  document: TextDocument,
  requested: Position,
  { trigger, selected, before = '' }: QueryContext,
): CursorQuery {
  if (!isInside(document, requested))
    throw new ResponseError(
      ErrorCodes.InvalidParams,
      `Line ${requested.line}, character ${requested.character} is after the end of ${document.uri}; send the changes of the document first.`,
    );
  const { uri, languageId } = document;
  const whole = document.getText();
  const position = document.positionAt(document.offsetAt(requested));
  const covers = selected !== undefined && isAt(selected.range, position);
  const range = covers ? selected.range : { start: position, end: position };
  const begin = covers ? selected.text : '';
  const [start, end] = [document.offsetAt(range.start), document.offsetAt(range.end)];
  return {
    range,
    begin,
    query: {
      uri,
      languageId,
      ...endOf(begin, range.start),
      text: {
        prefix: before + withLineFeeds(whole.slice(0, start) + begin),
        suffix: withLineFeeds(whole.slice(end)),
      },
      trigger,
      suggestionList: selected === undefined ? 'closed' : covers ? 'continued' : 'open',
    },
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

/** Whether a range contains a position and is on its line. */
const isAt = ({ start, end }: Range, { line, character }: Position): boolean =>
  start.line === line && end.line === line && start.character <= character && character <= end.character;

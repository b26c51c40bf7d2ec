import type { Position, Range, SelectedCompletionInfo } from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import type { CompletionQuery } from './completions.ts';

/** A query, and how its suggestions are inserted. */
export interface CursorQuery {
  readonly query: CompletionQuery;
  /** The text that a suggestion replaces. */
  readonly range: Range;
  /** The text that every suggestion begins with: the selected item of the suggestion list, or nothing. */
  readonly begin: string;
}

/**
 * The query for completions at a position of a document. While the suggestion list is open, VS Code shows only suggestions that begin
 * with its selected item, so the query is as if that item were accepted.
 */
export function queryAt(
  document: TextDocument,
  position: Position,
  trigger: CompletionQuery['trigger'],
  selected?: SelectedCompletionInfo,
): CursorQuery {
  const { uri, languageId } = document;
  const whole = document.getText();
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
      text: { prefix: whole.slice(0, start) + begin, suffix: whole.slice(end) },
      trigger,
      suggestionList: selected === undefined ? 'closed' : covers ? 'continued' : 'open',
    },
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

/** Whether a range contains a position and is on its line. */
const isAt = ({ start, end }: Range, { line, character }: Position): boolean =>
  start.line === line && end.line === line && start.character <= character && character <= end.character;

import type { TextAtCursor } from './inline/text-at-cursor.ts';

/** A request for completions at a position in a document. */
export interface CompletionQuery {
  readonly uri: string;
  readonly languageId: string;
  readonly line: number;
  readonly character: number;
  readonly text: TextAtCursor;
  readonly trigger: 'automatic' | 'invoked';
  /**
   * VS Code's suggestion list. `continued`: it is open, and the query is as if its selected item were accepted. `open`: it is open, and
   * its selected item does not replace text at the cursor.
   */
  readonly suggestionList: 'closed' | 'continued' | 'open';
}

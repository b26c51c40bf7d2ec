/** A document, split at the cursor. */
export interface TextAtCursor {
  /** Everything before the cursor. */
  readonly prefix: string;
  /** Everything after the cursor. */
  readonly suffix: string;
}

/** The cursor's line up to the cursor. */
export const lineBefore = ({ prefix }: TextAtCursor): string => prefix.slice(prefix.lastIndexOf('\n') + 1);

/** The cursor's line from the cursor on. */
export const lineAfter = ({ suffix }: TextAtCursor): string => suffix.split(/\r?\n/, 1)[0] as string;

/** The white space at the start of a line. */
export const indentationOf = (line: string): string => /^[ \t]*/.exec(line)![0];

/** Width of the indentation; a tab counts as four. */
export const depthOf = (line: string): number => indentationOf(line).replaceAll('\t', '    ').length;

/** A document as a completion sees it. */
export interface TextAtCursor {
  /** Everything before the cursor. */
  readonly prefix: string;
  /** Everything behind it. */
  readonly suffix: string;
}

/** The cursor's line up to the cursor. */
export const lineBefore = ({ prefix }: TextAtCursor): string => prefix.slice(prefix.lastIndexOf('\n') + 1);

/** The cursor's line from the cursor on. */
export const lineBehind = ({ suffix }: TextAtCursor): string => suffix.split(/\r?\n/, 1)[0] as string;

/** White space that a line begins with. */
export const indentationOf = (line: string): string => /^[ \t]*/.exec(line)![0];

/** How deep an indentation is, a tab counting as four. */
export const depthOf = (line: string): number => indentationOf(line).replaceAll('\t', '    ').length;

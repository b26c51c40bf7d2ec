import { depthOf, lineBefore, lineBehind, type TextAtCursor } from './text-at-cursor.ts';

/**
 * Whether a completion may have several lines. `always` and `never` say so themselves. `auto`: one line where anything
 * but closing brackets and punctuation stands behind the cursor, for a longer text would push it away; several at the
 * end of a line that opens a block, and on an empty line that a block was opened above or a comment describes; one line
 * everywhere else, where the end of what was begun is what is wanted.
 */
export function mayHaveSeveralLines(mode: 'auto' | 'always' | 'never', text: TextAtCursor): boolean {
  if (mode !== 'auto') return mode === 'always';
  if (/[^\s)\]}>,;'"`]/.test(lineBehind(text))) return false;
  const line = lineBefore(text);
  if (opensBlock(line)) return true;
  if (line.trim() !== '') return false;
  const above = lastLineWithText(text.prefix);
  return above !== null && (opensBlock(above) || isComment(above)) && !bodyFollows(text, above);
}

/** `if (x) {`, `foo(`, `=> {`, `def f():`, `const a = [`. */
const opensBlock = (line: string): boolean => /([{([:]|=>)\s*$/.test(line);

const isComment = (line: string): boolean => /^\s*(\/\/|\*\/|\*|#(?!\[))/.test(line) || /\*\/\s*$/.test(line);

function lastLineWithText(prefix: string): string | null {
  return prefix.split('\n').findLast((line) => line.trim() !== '') ?? null;
}

/** Whether the block that the line above opened has its lines already. */
function bodyFollows({ suffix }: TextAtCursor, above: string): boolean {
  const next = suffix
    .split('\n')
    .slice(1)
    .find((line) => line.trim() !== '');
  return next !== undefined && opensBlock(above) && depthOf(next) > depthOf(above);
}

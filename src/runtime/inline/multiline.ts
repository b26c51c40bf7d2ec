import { depthOf, lineAfter, lineBefore, type TextAtCursor } from './text-at-cursor.ts';

/**
 * Whether a completion may have several lines. With `auto`, it has one line if anything but closing brackets and
 * punctuation follows the cursor, because several lines would push that text away. It may have several lines at the end
 * of a line that opens a block, and on an empty line after such a line or a comment. Elsewhere it completes one line.
 */
export function allowsSeveralLines(mode: 'auto' | 'always' | 'never', text: TextAtCursor): boolean {
  if (mode !== 'auto') return mode === 'always';
  if (/[^\s)\]}>,;'"`]/.test(lineAfter(text))) return false;
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

/** Whether the block that the line above opens already has a body. */
function bodyFollows({ suffix }: TextAtCursor, above: string): boolean {
  const next = suffix
    .split('\n')
    .slice(1)
    .find((line) => line.trim() !== '');
  return next !== undefined && opensBlock(above) && depthOf(next) > depthOf(above);
}

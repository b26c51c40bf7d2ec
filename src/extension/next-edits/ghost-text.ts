import { lineBreakOf, minimalEdit, type TextEdit } from '../../protocol/text-edit.ts';

/**
 * An edit as an inline suggestion at the cursor, which replaces a range of one line that begins at the cursor and is shown as insertions
 * only; null if the edit cannot be shown like that. Both make the same document.
 *
 * @param cursor offset in the text
 */
export function ghostTextOf(text: string, edit: TextEdit, cursor: number): TextEdit | null {
  const { start, end, text: inserted } = minimalEdit(text, edit);
  const lineBreak = lineBreakOf(text);
  // Lines that are inserted below the cursor's line, with the cursor at its end, are inserted at the cursor instead.
  const isBelow = start === end && text.startsWith(lineBreak, cursor) && start === cursor + lineBreak.length;
  if (isBelow && inserted.endsWith(lineBreak))
    return { start: cursor, end: cursor, text: lineBreak + inserted.slice(0, -lineBreak.length) };
  if (start < cursor || /[\r\n]/.test(text.slice(cursor, end))) return null;
  const old = text.slice(cursor, end);
  const now = text.slice(cursor, start) + inserted;
  return isSubsequence(old, now) ? { start: cursor, end, text: now } : null;
}

/** Whether a text is another one without some of its characters. */
function isSubsequence(text: string, longer: string): boolean {
  let at = 0;
  for (const character of longer) if (text.startsWith(character, at)) at += character.length;
  return at === text.length;
}

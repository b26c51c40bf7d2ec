/** Characters [start, end) of a text become `text`. */
export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Characters [start, end) of a text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export const applyEdit = (text: string, { start, end, text: inserted }: TextEdit): string =>
  text.slice(0, start) + inserted + text.slice(end);

/** The edit without the characters that the replaced text and the new text have in common at their ends. */
export function minimalEdit(text: string, edit: TextEdit): TextEdit {
  const before = text.slice(edit.start, edit.end);
  const shorter = Math.min(before.length, edit.text.length);
  let first = 0;
  while (first < shorter && before[first] === edit.text[first]) first++;
  let last = 0;
  while (last < shorter - first && before.at(-1 - last) === edit.text.at(-1 - last)) last++;
  return { start: edit.start + first, end: edit.end - last, text: edit.text.slice(first, edit.text.length - last) };
}

/** Where a span of a text is after an edit of that text; null if the edit changes characters of the span. */
export function moveSpan({ start, end }: Span, edit: TextEdit): Span | null {
  const by = edit.text.length - (edit.end - edit.start);
  if (edit.end <= start) return { start: start + by, end: end + by };
  return edit.start >= end ? { start, end } : null;
}

/** The line break that a text uses first; LF if it has none. */
export const lineBreakOf = (text: string): string => /\r?\n/.exec(text)?.[0] ?? '\n';

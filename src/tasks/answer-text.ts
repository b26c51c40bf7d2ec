/** End-of-text tokens of LLaDA, Dream and similar models, if the decoder did not remove them. */
const endOfText = /<\|eot_id\|>|<\|endoftext\|>|<\|im_end\|>/;

/** The contents of all `<answer>…</answer>` pairs, in order, trimmed. */
export function answerTags(text: string): string[] {
  const answers: string[] = [];
  let position = 0;
  for (;;) {
    const open = text.indexOf('<answer>', position);
    const close = open < 0 ? -1 : text.indexOf('</answer>', open);
    if (close < 0) return answers;
    answers.push(text.slice(open + '<answer>'.length, close).trim());
    position = close + '</answer>'.length;
  }
}

/**
 * The tagged answer, read tolerantly: the last closed `<answer>`, otherwise the text after an `<answer>` that is never
 * closed, up to an end-of-text token. Null if there is no tag or if it is empty.
 */
export function taggedAnswer(text: string): string | null {
  const closed = answerTags(text).at(-1);
  if (closed !== undefined) return closed.slice(afterLast(closed, '<answer>')).trim() || null;
  const start = afterLast(text, '<answer>');
  return start === 0 ? null : text.slice(start).split(endOfText, 1)[0].trim() || null;
}

/** The content of the last `\boxed{…}` with matching braces; null if there is none. */
export function lastBoxed(text: string): string | null {
  const start = text.lastIndexOf('\\boxed');
  if (start < 0) return null;
  const open = text.indexOf('{', start);
  if (open < 0 || text.slice(start + '\\boxed'.length, open).trim() !== '') return null;
  const close = matchingBrace(text, open);
  return close < 0 ? null : text.slice(open + 1, close).trim();
}

/** Index of the brace that closes the one at `open`; -1 if it is never closed. */
export function matchingBrace(text: string, open: number): number {
  let depth = 0;
  for (let index = open; index < text.length; index++) {
    if (text[index] === '{') depth++;
    if (text[index] === '}' && --depth === 0) return index;
  }
  return -1;
}

/** The content of the last fenced code block, up to the end of the text if it is not closed; null if there is none. */
export function lastFenced(text: string): string | null {
  const parts = text.split('```');
  // Every odd part is inside a fence.
  const inside = parts.length - (parts.length % 2 === 0 ? 1 : 2);
  return inside < 1 ? null : parts[inside].replace(/^\w*[ \t]*\r?\n/, '').trim();
}

/** Removes the formatting around an answer: code fence, `\boxed{…}`, dollar signs, emphasis. */
export function unwrapped(answer: string): string {
  let text = answer.trim();
  for (let layer = 0; layer < 4; layer++) {
    const inner = (lastBoxed(text) ?? lastFenced(text) ?? text)
      .replace(/^(\$\$?|\*\*|`|\\\(|\\\[)/, '')
      .replace(/(\$\$?|\*\*|`|\\\)|\\\])$/, '')
      .trim();
    if (inner === text) break;
    text = inner;
  }
  return text;
}

function afterLast(text: string, mark: string): number {
  const index = text.lastIndexOf(mark);
  return index < 0 ? 0 : index + mark.length;
}

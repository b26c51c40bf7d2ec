/** Marks that end a text in the vocabularies of LLaDA, Dream and their kin, where a decoder has left them in. */
const endOfText = /<\|eot_id\|>|<\|endoftext\|>|<\|im_end\|>/;

/** What stands inside each `<answer>…</answer>`, in order, trimmed. */
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
 * The tagged answer as a tolerant reader takes it: the last closed `<answer>`, else what follows an `<answer>` that
 * never closes, up to an end-of-text mark. Null where no tag is, or where it holds nothing.
 */
export function taggedAnswer(text: string): string | null {
  const closed = answerTags(text).at(-1);
  if (closed !== undefined) return closed.slice(afterLast(closed, '<answer>')).trim() || null;
  const start = afterLast(text, '<answer>');
  return start === 0 ? null : text.slice(start).split(endOfText, 1)[0].trim() || null;
}

/** The content of the last `\boxed{…}` whose braces match, null where there is none. */
export function lastBoxed(text: string): string | null {
  const start = text.lastIndexOf('\\boxed');
  if (start < 0) return null;
  const open = text.indexOf('{', start);
  if (open < 0 || text.slice(start + '\\boxed'.length, open).trim() !== '') return null;
  const close = matchingBrace(text, open);
  return close < 0 ? null : text.slice(open + 1, close).trim();
}

/** Index of the brace that closes the one at `open`, -1 where it never closes. */
export function matchingBrace(text: string, open: number): number {
  let depth = 0;
  for (let index = open; index < text.length; index++) {
    if (text[index] === '{') depth++;
    if (text[index] === '}' && --depth === 0) return index;
  }
  return -1;
}

/** The content of the last fenced code block, to the end of the text where it never closes; null where there is none. */
export function lastFenced(text: string): string | null {
  const parts = text.split('```');
  // Every odd part is inside a fence.
  const inside = parts.length - (parts.length % 2 === 0 ? 1 : 2);
  return inside < 1 ? null : parts[inside].replace(/^\w*[ \t]*\r?\n/, '').trim();
}

/** Takes the wrappings off an answer: code fence, `\boxed{…}`, dollar signs, emphasis. */
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

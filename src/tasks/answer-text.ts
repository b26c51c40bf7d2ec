/** End-of-text and end-of-turn tokens of chat models, if the decoder did not remove them. */
const endOfText =
  /<\|(?:eot_id|endoftext|im_end|im_start|end_of_text|start_header_id|user|end)\|>|<\/s>|<eos>|<end_of_turn>|<｜end▁of▁sentence｜>/;

/**
 * The beginning of another question, which a model may generate after its answer, on a separate line or on that of the
 * answer: `Question 2:`, `Next question:`, `Example 3:`, a line that is only `user` or `Question 2`, `[INST]`.
 */
const nextQuestion = new RegExp(
  [
    String.raw`\n[ \t]*(?:#+[ \t]*|\*\*)?(?:(?:Next|New|Another)[ \t])?(?:[Qq]uestion|[Pp]roblem|Exercise|Instruction|Human|User|Q)\b[ \t]?\d{0,4}[ \t]?(?:\*\*)?[ \t]?[:.)]`,
    String.raw`\n[ \t]*(?:#+[ \t]*|\*\*)?Example[ \t]?\d{1,4}[ \t]?(?:\*\*)?[ \t]?[:.)]`,
    String.raw`\n[ \t]*(?:#+[ \t]*|\*\*)?(?:user|human|(?:Question|Problem|Exercise)[ \t]\d{1,4})(?:\*\*)?[ \t]*(?=\r?\n)`,
    String.raw`(?<=[\s>}.])(?:Question|Problem|Exercise|Q)[ \t]?\d{0,4}:`,
    String.raw`\[INST\]`,
  ].join('|'),
  'g',
);

/** An answer that is complete: a closed tag, a box, or a number after `####`. */
const someAnswer = /<answer>[\s\S]*<\/answer>|\\f?boxed|####[^\n]*\d/;

/**
 * The part of a completion that answers the question asked: the text up to an end-of-text token, and up to the next
 * question if an answer comes before it. Base models imitate the examples of a prompt and go on with questions of their
 * own.
 */
export function ownAnswer(completion: string): string {
  const text = completion.split(endOfText).find((part) => part.trim() !== '') ?? '';
  for (const { index } of text.matchAll(nextQuestion)) {
    const before = text.slice(0, index);
    if (someAnswer.test(before)) return before;
  }
  return text;
}

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

/**
 * The content of the last complete `\boxed{…}` or `\fbox{…}`, or of one without braces (`\boxed 3`). A box that is cut
 * off or empty is skipped if there is one before it. Null if there is none.
 */
export function lastBoxed(text: string): string | null {
  let empty: string | null = null;
  const boxes = [...text.matchAll(/\\(?:boxed|fbox)(?![a-zA-Z])/g)];
  for (const { index, 0: mark } of boxes.slice(-mostBoxes).reverse()) {
    const content = boxAt(text, index + mark.length);
    if (content) return content;
    empty ??= content;
  }
  return empty;
}

/** Maximum number of boxes that are read, from the end, because each incomplete one is searched to the end of the text. */
const mostBoxes = 50;

/** The content of a box whose mark ends at `start`; null if it is cut off. */
function boxAt(text: string, start: number): string | null {
  const open = start + (/^\s*/.exec(text.slice(start)) as RegExpExecArray)[0].length;
  if (text[open] === '{') {
    const close = matchingBrace(text, open);
    return close < 0 ? null : text.slice(open + 1, close).trim();
  }
  // Without braces the box holds the rest of the formula, or one word outside a formula.
  const inFormula = (text.slice(0, start).split('$').length - 1) % 2 === 1;
  const line = text.slice(open).split('\n', 1)[0] as string;
  const content = inFormula ? (line.split('$', 1)[0] as string) : (/^[^\s$]*/.exec(line) as RegExpExecArray)[0];
  return content.trim().replace(/[.,;:]$/, '') || null;
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

/** Line ends that are written out as `\n` or, in LaTeX, as `\\`, as real ones. */
export const withLineEnds = (text: string): string =>
  text.replace(/(?:\\r)?\\n(?![a-zA-Z])|\\\\(?![a-zA-Z])|<br\s*\/?>/g, '\n');

function afterLast(text: string, mark: string): number {
  const index = text.lastIndexOf(mark);
  return index < 0 ? 0 : index + mark.length;
}

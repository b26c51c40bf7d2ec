/** The byte between two files, and at the gap of a document. No text contains it. */
export const boundary = 0;
export const newline = 10;

/**
 * A text in UTF-8 without indentation, blank lines and spaces at the ends of lines, so that copies match wherever they are
 * indented. Every line with text ends with a line break.
 */
export interface FlatText {
  readonly bytes: Uint8Array;
  /** For each line of the text, also blank ones: its offset in `bytes`. */
  readonly lineStarts: Int32Array;
  /** For each line: the number of tabs and spaces that were removed from its start, at most 255. */
  readonly indents: Uint8Array;
}

const encoder = new TextEncoder();

/** `text` has Unix line ends. */
export function flatten(text: string): FlatText {
  const lines = text.split('\n');
  const bytes = new Uint8Array(3 * text.length + 1);
  const lineStarts = new Int32Array(lines.length);
  const indents = new Uint8Array(lines.length);
  let length = 0;
  for (const [index, line] of lines.entries()) {
    lineStarts[index] = length;
    const content = line.trim();
    if (content === '') continue;
    indents[index] = Math.min(255, line.length - line.trimStart().length);
    length += encoder.encodeInto(content, bytes.subarray(length)).written;
    bytes[length++] = newline;
  }
  return { bytes: bytes.slice(0, length), lineStarts, indents };
}

/**
 * The text before a cursor as `flatten` has it, at most about `characters` of it. It ends with a line break if the cursor is at the
 * beginning of a line, also after its indentation.
 */
export function flatPrefix(prefix: string, characters: number): Uint8Array {
  const from = Math.max(0, prefix.length - characters);
  const tail = prefix.slice(from === 0 ? 0 : prefix.indexOf('\n', from) + 1 || from).replaceAll('\r\n', '\n');
  const begin = tail.lastIndexOf('\n') + 1;
  const current = tail.slice(begin).trimStart();
  const { bytes } = flatten(tail.slice(0, begin));
  const line = encoder.encode(current);
  const whole = new Uint8Array(bytes.length + line.length);
  whole.set(bytes);
  whole.set(line, bytes.length);
  return whole;
}

/** The lines after the cursor's line, as `flatten` has them, at most about `characters` of them. */
export function flatFollowing(suffix: string, characters: number): Uint8Array {
  const begin = suffix.indexOf('\n');
  return begin === -1
    ? new Uint8Array()
    : flatten(suffix.slice(begin + 1, begin + 1 + characters).replaceAll('\r\n', '\n')).bytes;
}

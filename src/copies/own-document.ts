import { shortestMatch } from './copy-index.ts';
import { boundary, flatten } from './flat-text.ts';
import { longestMatch, type Match, type Segment } from './segment.ts';
import { commonBefore } from './sort-contexts.ts';

/** Matches in the document that are compared. */
const mostMatches = 100;
/** Characters on each side of the cursor that are searched. */
const reach = 200_000;

/**
 * The longest matches in the document itself, without the cursor's line. It is searched from end to end instead of indexed, because it
 * changes with every keystroke.
 */
export function matchesInDocument(
  name: string,
  { prefix, suffix }: { readonly prefix: string; readonly suffix: string },
  flat: Uint8Array,
): Match[] {
  if (flat.length < shortestMatch) return [];
  const before = prefix.slice(0, prefix.lastIndexOf('\n') + 1);
  const cut = Math.max(0, before.length - reach);
  const skipped = cut === 0 ? 0 : before.indexOf('\n', cut) + 1;
  const lineBreak = suffix.indexOf('\n');
  const above = flatten(before.slice(skipped).replaceAll('\r\n', '\n').replaceAll('\0', ' '));
  const after = lineBreak === -1 ? '' : suffix.slice(lineBreak + 1, lineBreak + 1 + reach);
  const below = flatten(after.replaceAll('\r\n', '\n').replaceAll('\0', ' '));
  const bytes = new Uint8Array(above.bytes.length + 1 + below.bytes.length);
  bytes.set(above.bytes);
  bytes[above.bytes.length] = boundary;
  bytes.set(below.bytes, above.bytes.length + 1);
  // The last line above is the empty beginning of the cursor's line, so lines are counted as in the document.
  const lineStarts = Int32Array.from([
    ...above.lineStarts,
    ...below.lineStarts.map((offset) => offset + above.bytes.length + 1),
  ]);
  const skippedLines = skipped === 0 ? 0 : before.slice(0, skipped).split('\n').length - 1;
  const segment: Segment = {
    bytes,
    lineStarts,
    indents: Uint8Array.from([...above.indents, ...below.indents]),
    order: new Int32Array(),
    files: [{ name, start: 0, end: bytes.length, firstLine: -skippedLines, characters: prefix.length + suffix.length }],
  };
  return scan(segment, flat);
}

function scan(segment: Segment, flat: Uint8Array): Match[] {
  const { bytes } = segment;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = flat.subarray(flat.length - shortestMatch);
  const matches: Match[] = [];
  for (let at = text.indexOf(end); at !== -1; at = text.indexOf(end, at + 1)) {
    const position = at + shortestMatch;
    // The cursor's own place is no match, and a boundary has no continuation.
    if (position >= bytes.length || bytes[position] === boundary) continue;
    matches.push({ segment, position, length: commonBefore(bytes, position, flat, longestMatch) });
  }
  return matches.sort((a, b) => b.length - a.length).slice(0, mostMatches);
}

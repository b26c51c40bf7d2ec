import { boundary, type FlatText, flatten, newline } from './flat-text.ts';
import { familyOf } from './language-family.ts';
import { commonBefore, largestText, lowerBound, sortContexts } from './sort-contexts.ts';

/** A text to index. */
export interface IndexedText {
  /** Path or URI, unique in the index. */
  readonly name: string;
  readonly text: string;
}

/** A part of the index: some texts, and their positions sorted by context. It holds only arrays, so threads can pass it on. */
export interface Segment extends FlatText {
  readonly order: Int32Array;
  readonly files: readonly SegmentFile[];
}

export interface SegmentFile {
  readonly name: string;
  /** Its bytes in the segment: [start, end). */
  readonly start: number;
  readonly end: number;
  /** Index of its first line in the segment. */
  readonly firstLine: number;
  /** Characters of its text. */
  readonly characters: number;
}

/** Characters of the texts in one segment. A single text may be longer; what does not fit is cut off. */
const segmentCharacters = largestText / 2;

/** Divides texts into groups, each of one language family and for one segment. */
export function groupsOf(texts: readonly IndexedText[]): IndexedText[][] {
  const groups: IndexedText[][] = [];
  const open = new Map<string, { readonly texts: IndexedText[]; characters: number }>();
  for (const text of texts) {
    const family = familyOf(text.name);
    let group = open.get(family);
    if (!group || group.characters + text.text.length > segmentCharacters) {
      group = { texts: [], characters: 0 };
      open.set(family, group);
      groups.push(group.texts);
    }
    group.texts.push(text);
    group.characters += text.text.length;
  }
  return groups;
}

/** Builds a segment: about half a second for a megabyte. */
export function buildSegment(texts: readonly IndexedText[]): Segment {
  const flats = texts.map(({ text }) => flatten(text.replaceAll('\r\n', '\n').replaceAll('\0', ' ')));
  const size = Math.min(
    largestText,
    flats.reduce((sum, { bytes }) => sum + bytes.length + 1, 0),
  );
  const bytes = new Uint8Array(size);
  const lines = flats.reduce((sum, { lineStarts }) => sum + lineStarts.length, 0);
  const lineStarts = new Int32Array(lines);
  const indents = new Uint8Array(lines);
  const files: SegmentFile[] = [];
  let [start, firstLine] = [0, 0];
  for (const [index, flat] of flats.entries()) {
    const own = flat.bytes.subarray(0, Math.max(0, size - start - 1));
    bytes.set(own, start);
    const end = start + own.length;
    lineStarts.set(
      flat.lineStarts.map((offset) => Math.min(end, start + offset)),
      firstLine,
    );
    indents.set(flat.indents, firstLine);
    const { name, text } = texts[index] as IndexedText;
    files.push({ name, start, end, firstLine, characters: text.length });
    firstLine += flat.lineStarts.length;
    // A boundary follows every file.
    start = Math.min(size, end + 1);
  }
  return { bytes, lineStarts, indents, order: sortContexts(bytes), files };
}

/** A place whose context matches the text before the cursor. */
export interface Match {
  readonly segment: Segment;
  readonly position: number;
  /** Bytes that the two contexts have in common. */
  readonly length: number;
}

/** Longer matches count as equal. */
export const longestMatch = 160;

/** The places in a segment with the longest matches, in this order: at most `most`, each at least `least` bytes long. */
export function longestMatches(segment: Segment, prefix: Uint8Array, most: number, least: number): Match[] {
  const { bytes, order } = segment;
  const lengthAt = (index: number): number =>
    index >= 0 && index < order.length ? commonBefore(bytes, order[index] as number, prefix, longestMatch) : -1;
  let above = lowerBound(bytes, order, prefix);
  let below = above - 1;
  let [aboveLength, belowLength] = [lengthAt(above), lengthAt(below)];
  const matches: Match[] = [];
  while (matches.length < most) {
    const isAbove = aboveLength >= belowLength;
    const length = isAbove ? aboveLength : belowLength;
    if (length < least) break;
    matches.push({ segment, position: order[isAbove ? above : below] as number, length });
    if (isAbove) aboveLength = lengthAt(++above);
    else belowLength = lengthAt(--below);
  }
  return matches;
}

/** The file at a position of a segment. */
export function fileAt({ files }: Segment, position: number): SegmentFile {
  let [low, high] = [0, files.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((files[middle] as SegmentFile).start <= position) low = middle;
    else high = middle - 1;
  }
  return files[low] as SegmentFile;
}

/** The index of the line at a position of a segment. Blank lines have the offset of the next line, so the last one counts. */
export function lineAt({ lineStarts }: FlatText, position: number): number {
  let [low, high] = [0, lineStarts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((lineStarts[middle] as number) <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The offset of the line break that ends the line at a position; the end of the file if it has none. */
export function lineEnd(bytes: Uint8Array, position: number): number {
  let end = position;
  while (end < bytes.length && bytes[end] !== newline && bytes[end] !== boundary) end++;
  return end;
}

import { boundary } from './flat-text.ts';

/** Bytes of context by which positions are sorted. Among positions with more in common the order is arbitrary. */
export const sortedDepth = 36;

/** The largest text that can be sorted: a position has 20 bits. */
export const largestText = 2 ** 20;

/** Bytes of context in one key of 42 bits; a byte counts as one of 128, and all outside ASCII are the same. */
const keyBytes = 6;
/** Shorter runs of equal keys are sorted by comparing contexts. */
const shortRun = 10;

const code = (byte: number): number => (byte < 127 ? byte : 127);

/**
 * The positions of a text, sorted by the bytes before each, read backwards: positions with the same text before them are neighbours,
 * and the closer two positions are, the longer is the text that they have in common. A radix sort: each round sorts runs of equal
 * contexts by the next six bytes. Needs 16 bytes for each byte of the text while it runs.
 */
export function sortContexts(bytes: Uint8Array): Int32Array {
  // A number of 64 bits holds the key of 6 bytes above the position, so that the platform's own sort orders both.
  const entries = new BigUint64Array(bytes.length);
  const words = new Uint32Array(entries.buffer);
  let count = 0;
  for (let position = 0; position < bytes.length; position++) {
    const byte = bytes[position] as number;
    // Boundaries have no continuation, and the second and later bytes of a character do not begin one.
    if (byte === boundary || (byte & 0xc0) === 0x80) continue;
    writeEntry(count++, position, 0);
  }
  refine(0, count, 0);
  return Int32Array.from({ length: count }, (_, index) => positionAt(index));

  function positionAt(index: number): number {
    return (words[2 * index] as number) & 0xfffff;
  }

  function writeEntry(index: number, position: number, depth: number): void {
    let at = position - depth;
    let high = 0;
    for (let n = 0; n < 3; n++) high = (high << 7) | (at > 0 ? code(bytes[--at] as number) : boundary);
    let low = 0;
    for (let n = 0; n < 3; n++) low = (low << 7) | (at > 0 ? code(bytes[--at] as number) : boundary);
    words[2 * index] = ((low & 0xfff) << 20) | position;
    words[2 * index + 1] = (high << 9) | (low >>> 12);
  }

  /** Sorts entries whose first `depth` bytes are equal and whose keys are of the bytes after them. */
  function refine(begin: number, end: number, depth: number): void {
    entries.subarray(begin, end).sort();
    const next = depth + keyBytes;
    if (next >= sortedDepth) return;
    for (let first = begin; first < end; ) {
      const high = words[2 * first + 1];
      const low = (words[2 * first] as number) >>> 20;
      let last = first + 1;
      while (last < end && words[2 * last + 1] === high && (words[2 * last] as number) >>> 20 === low) last++;
      if (last - first > shortRun) {
        for (let index = first; index < last; index++) writeEntry(index, positionAt(index), next);
        refine(first, last, next);
      } else if (last - first > 1) sortShortRun(first, last, next);
      first = last;
    }
  }

  function sortShortRun(begin: number, end: number, depth: number): void {
    for (let index = begin + 1; index < end; index++) {
      const entry = entries[index] as bigint;
      const position = positionAt(index);
      let place = index;
      while (place > begin && isBefore(position, positionAt(place - 1), depth)) {
        entries[place] = entries[place - 1] as bigint;
        place--;
      }
      entries[place] = entry;
    }
  }

  function isBefore(one: number, other: number, depth: number): boolean {
    for (let back = depth + 1; back <= sortedDepth; back++) {
      const [a, b] = [contextByte(bytes, one, back), contextByte(bytes, other, back)];
      if (a !== b) return a < b;
    }
    return false;
  }
}

/** The byte `back` places before a position, as the order counts it. */
const contextByte = (bytes: Uint8Array, position: number, back: number): number =>
  position >= back ? code(bytes[position - back] as number) : boundary;

/** The index of the first position whose context is not before that of the end of `prefix`. */
export function lowerBound(bytes: Uint8Array, order: Int32Array, prefix: Uint8Array): number {
  let [low, high] = [0, order.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isContextBefore(bytes, order[middle] as number, prefix)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isContextBefore(bytes: Uint8Array, position: number, prefix: Uint8Array): boolean {
  for (let back = 1; back <= sortedDepth; back++) {
    const [a, b] = [contextByte(bytes, position, back), contextByte(prefix, prefix.length, back)];
    if (a !== b) return a < b;
  }
  return false;
}

/** The number of equal bytes before a position and at the end of `prefix`, at most `most`. */
export function commonBefore(bytes: Uint8Array, position: number, prefix: Uint8Array, most: number): number {
  const limit = Math.min(position, prefix.length, most);
  let length = 0;
  while (length < limit) {
    const byte = bytes[position - 1 - length];
    if (byte === boundary || byte !== prefix[prefix.length - 1 - length]) break;
    length++;
  }
  return length;
}

/** The number of equal bytes from a position on and at the beginning of `following`, at most `most`. */
export function commonAfter(bytes: Uint8Array, position: number, following: Uint8Array, most: number): number {
  const limit = Math.min(bytes.length - position, following.length, most);
  let length = 0;
  while (length < limit && bytes[position + length] !== boundary && bytes[position + length] === following[length])
    length++;
  return length;
}

import { familyOf } from './language-family.ts';
import { fileAt, lineAt, lineEnd, longestMatches, type Match, type Segment } from './segment.ts';

/** Matches that are compared for a query. */
const mostMatches = 160;
/** Matches of one segment. */
const mostInSegment = 64;
/** Bytes of a segment that is worth merging with others, and the number of such segments from which they are merged. */
const smallSegment = 50_000;
const manySegments = 24;
/** Places of a word in one segment. */
const mostWithWord = 2_000;
/** Shorter matches, in bytes, say nothing. */
export const shortestMatch = 3;

/**
 * Finds the text before a cursor in the files of a workspace. A text that is added again replaces its earlier version, whose
 * bytes stay until their segment holds no current text.
 */
export class CopyIndex {
  /** The segment with the current version of each text. */
  readonly #current = new Map<string, Segment>();
  readonly #segments = new Map<Segment, { readonly family: string; current: number }>();

  /** Adds a segment whose texts are of one family. */
  add(segment: Segment): void {
    const [first] = segment.files;
    if (!first) return;
    this.#segments.set(segment, { family: familyOf(first.name), current: segment.files.length });
    for (const { name } of segment.files) {
      this.remove(name);
      this.#current.set(name, segment);
    }
  }

  remove(name: string): void {
    const segment = this.#current.get(name);
    if (!segment) return;
    this.#current.delete(name);
    const state = this.#segments.get(segment);
    if (state && --state.current === 0) this.#segments.delete(segment);
  }

  clear(): void {
    this.#current.clear();
    this.#segments.clear();
  }

  has(name: string): boolean {
    return this.#current.has(name);
  }

  get names(): IterableIterator<string> {
    return this.#current.keys();
  }

  /** Number of texts, their characters, bytes of memory, and number of segments. */
  get size(): {
    readonly files: number;
    readonly characters: number;
    readonly bytes: number;
    readonly segments: number;
  } {
    let [characters, bytes] = [0, 0];
    for (const segment of this.#segments.keys()) {
      for (const file of segment.files) if (this.#isCurrent(file.name, segment)) characters += file.characters;
      const { bytes: text, order, lineStarts, indents } = segment;
      bytes += text.byteLength + order.byteLength + lineStarts.byteLength + indents.byteLength;
    }
    return { files: this.#current.size, characters, bytes, segments: this.#segments.size };
  }

  /**
   * The names of the texts to index again in fewer segments: those of a family's small and mostly outdated segments, if there
   * are many of them.
   */
  fragmented(): string[] {
    const small = [...this.#segments].filter(
      ([{ files, bytes }, { current }]) => bytes.length < smallSegment || 2 * current < files.length,
    );
    const count = (family: string): number => small.filter(([, state]) => state.family === family).length;
    return small
      .filter(([, { family }]) => count(family) >= manySegments)
      .flatMap(([segment]) => segment.files.flatMap(({ name }) => (this.#isCurrent(name, segment) ? [name] : [])));
  }

  /** The longest matches in texts of the family of `name`, except in that text itself. The longest one comes first. */
  find(name: string, prefix: Uint8Array): Match[] {
    const family = familyOf(name);
    const found: Match[] = [];
    for (const [segment, state] of this.#segments) {
      if (state.family !== family) continue;
      for (const match of longestMatches(segment, prefix, mostInSegment, shortestMatch)) {
        const file = fileAt(segment, match.position);
        if (file.name !== name && this.#isCurrent(file.name, segment)) found.push(match);
      }
    }
    return found.sort((a, b) => b.length - a.length).slice(0, mostMatches);
  }

  /**
   * The lines that contain a word, without indentation, in texts of the family of `name`, except in that text itself. Only the first
   * `mostWithWord` places of each segment are looked at.
   */
  linesWith(name: string, word: string): { readonly file: string; readonly line: string }[] {
    const family = familyOf(name);
    const sought = new TextEncoder().encode(word);
    const found = new Map<string, { readonly file: string; readonly line: string }>();
    for (const [segment, state] of this.#segments) {
      if (state.family !== family) continue;
      for (const { position } of longestMatches(segment, sought, mostWithWord, sought.length)) {
        const file = fileAt(segment, position);
        if (file.name === name || !this.#isCurrent(file.name, segment)) continue;
        const start = segment.lineStarts[lineAt(segment, position)] as number;
        const line = new TextDecoder().decode(segment.bytes.subarray(start, lineEnd(segment.bytes, start)));
        found.set(`${file.name} ${start}`, { file: file.name, line });
      }
    }
    return [...found.values()];
  }

  #isCurrent(name: string, segment: Segment): boolean {
    return this.#current.get(name) === segment;
  }
}

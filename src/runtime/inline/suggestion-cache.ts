import type { TextAtCursor } from './text-at-cursor.ts';

/** Suggestions at a position of a document. */
export interface CachedSuggestion<T> {
  readonly texts: readonly string[];
  readonly about: T;
}

interface Entry<T> extends CachedSuggestion<T> {
  readonly uri: string;
  readonly prefix: string;
  readonly suffix: string;
}

/**
 * A cache of suggestions, keyed by the text around them. While the user types a suggestion, its rest is served from the
 * cache, and all of it again when the user deletes these characters: an entry matches if the text before the cursor is
 * the entry's prefix followed by the beginning of one of its suggestions.
 */
export class SuggestionCache<T> {
  readonly #capacity: number;
  /** Ordered by last use, the most recent last. */
  readonly #entries: Entry<T>[] = [];

  constructor(capacity = 64) {
    this.#capacity = capacity;
  }

  put(uri: string, { prefix, suffix }: TextAtCursor, suggestion: CachedSuggestion<T>): void {
    const same = this.#entries.findIndex(
      (entry) => entry.uri === uri && entry.prefix === prefix && entry.suffix === suffix,
    );
    if (same !== -1) this.#entries.splice(same, 1);
    this.#entries.push({ ...suggestion, uri, prefix, suffix });
    if (this.#entries.length > this.#capacity) this.#entries.shift();
  }

  /** The rest of the newest matching suggestions, made here or a few keystrokes earlier. */
  get(uri: string, { prefix, suffix }: TextAtCursor): CachedSuggestion<T> | null {
    for (let index = this.#entries.length - 1; index >= 0; index--) {
      const entry = this.#entries[index] as Entry<T>;
      if (entry.uri !== uri || entry.suffix !== suffix || !prefix.startsWith(entry.prefix)) continue;
      const typed = prefix.slice(entry.prefix.length);
      const texts = entry.texts.filter((text) => text.length > typed.length && text.startsWith(typed));
      // An entry without suggestions matches its exact position only.
      if (texts.length === 0 && !(entry.texts.length === 0 && typed === '')) continue;
      this.#entries.push(...this.#entries.splice(index, 1));
      return { texts: texts.map((text) => text.slice(typed.length)), about: entry.about };
    }
    return null;
  }

  /** Removes the suggestions for a document. */
  remove(uri: string): void {
    const kept = this.#entries.filter((entry) => entry.uri !== uri);
    this.#entries.splice(0, this.#entries.length, ...kept);
  }

  clear(): void {
    this.#entries.length = 0;
  }
}

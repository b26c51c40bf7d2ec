import type { TextAtCursor } from './text-at-cursor.ts';

/** What was suggested at a place. */
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
 * Suggestions by the text around them. Typing into one gives its rest without a request, and deleting back gives it whole:
 * an entry fits wherever the text before the cursor is the entry's and the beginning of a suggestion.
 */
export class SuggestionCache<T> {
  readonly #capacity: number;
  /** The one that was used last comes last. */
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

  /** The rest of what was suggested here or a few keystrokes before; the newest that fits. */
  get(uri: string, { prefix, suffix }: TextAtCursor): CachedSuggestion<T> | null {
    for (let index = this.#entries.length - 1; index >= 0; index--) {
      const entry = this.#entries[index] as Entry<T>;
      if (entry.uri !== uri || entry.suffix !== suffix || !prefix.startsWith(entry.prefix)) continue;
      const typed = prefix.slice(entry.prefix.length).replaceAll('\r\n', '\n');
      const texts = entry.texts.filter((text) => text.length > typed.length && text.startsWith(typed));
      // That nothing is worth suggesting is known for the very place alone.
      if (texts.length === 0 && !(entry.texts.length === 0 && typed === '')) continue;
      this.#entries.push(...this.#entries.splice(index, 1));
      return { texts: texts.map((text) => text.slice(typed.length)), about: entry.about };
    }
    return null;
  }

  clear(): void {
    this.#entries.length = 0;
  }
}

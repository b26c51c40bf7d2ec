/**
 * A trigram over tokens with back-off, the baseline that a code model has to beat: the most frequent token behind the
 * last two; where they were never seen together, behind the last one; else the most frequent of all.
 */
export class Trigram {
  readonly #vocabulary: number;
  /** The likeliest next token by the one or two before it. */
  readonly #next = new Map<number, number>();
  readonly #likeliest: number;

  constructor(texts: Iterable<ArrayLike<number>>, vocabulary: number) {
    this.#vocabulary = vocabulary;
    const triples: number[] = [];
    const pairs: number[] = [];
    const counts = new Float64Array(vocabulary);
    for (const text of texts)
      for (let at = 0; at < text.length; at++) {
        const token = text[at] as number;
        counts[token]!++;
        if (at >= 1) pairs.push(this.#key(0, (text[at - 1] as number) + 1) * vocabulary + token);
        if (at >= 2)
          triples.push(this.#key((text[at - 2] as number) + 1, (text[at - 1] as number) + 1) * vocabulary + token);
      }
    this.#keepLikeliest(Float64Array.from(triples));
    this.#keepLikeliest(Float64Array.from(pairs));
    this.#likeliest = counts.indexOf(Math.max(...counts));
  }

  next(before: number, last: number): number {
    return this.#next.get(this.#key(before + 1, last + 1)) ?? this.#next.get(this.#key(0, last + 1)) ?? this.#likeliest;
  }

  /** Greedy continuation until `isEnd`, at most `length` tokens. */
  continue(prefix: readonly number[], length: number, isEnd: (token: number) => boolean): number[] {
    const text = [...prefix.slice(-2)];
    const written: number[] = [];
    while (written.length < length) {
      const token = this.next(text.at(-2) ?? -1, text.at(-1) ?? -1);
      if (isEnd(token)) break;
      text.push(token);
      written.push(token);
    }
    return written;
  }

  #key(before: number, last: number): number {
    return before * (this.#vocabulary + 1) + last;
  }

  /** Of sorted keys `context * vocabulary + token`, the token that each context has most often; ties go to the smaller id. */
  #keepLikeliest(keys: Float64Array): void {
    keys.sort();
    for (let start = 0; start < keys.length; ) {
      const context = Math.floor((keys[start] as number) / this.#vocabulary);
      let [best, most, at] = [0, 0, start];
      while (at < keys.length && Math.floor((keys[at] as number) / this.#vocabulary) === context) {
        const run = at;
        while (keys[at] === keys[run] && at < keys.length) at++;
        if (at - run > most) [best, most] = [(keys[run] as number) % this.#vocabulary, at - run];
      }
      this.#next.set(context, best);
      start = at;
    }
  }
}

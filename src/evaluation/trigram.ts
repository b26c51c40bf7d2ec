/** Whether a token may stand at a place. */
export type Allowed = (token: number) => boolean;

/**
 * A trigram over tokens with back-off, the baseline that a code model has to beat: the most frequent token behind the
 * last two; where they were never seen together, behind the last one; else the most frequent of all. Ties go to the
 * smaller id.
 */
export class Trigram {
  readonly #vocabulary: number;
  /** Sorted keys `context * vocabulary + token`, as often as each was seen, by two tokens before and by one. */
  readonly #behindTwo: Float64Array;
  readonly #behindOne: Float64Array;
  readonly #counts: Float64Array;

  constructor(texts: Iterable<ArrayLike<number>>, vocabulary: number) {
    this.#vocabulary = vocabulary;
    this.#counts = new Float64Array(vocabulary);
    const triples: number[] = [];
    const pairs: number[] = [];
    for (const text of texts)
      for (let at = 0; at < text.length; at++) {
        const token = text[at] as number;
        this.#counts[token]!++;
        if (at >= 1) pairs.push(this.#context(-1, text[at - 1] as number) * vocabulary + token);
        if (at >= 2) triples.push(this.#context(text[at - 2] as number, text[at - 1] as number) * vocabulary + token);
      }
    this.#behindTwo = Float64Array.from(triples).sort();
    this.#behindOne = Float64Array.from(pairs).sort();
  }

  /** The likeliest of the tokens that may stand behind two others; -1 stands for none. */
  next(before: number, last: number, allowed: Allowed = () => true): number {
    return (
      this.#likeliest(this.#behindTwo, this.#context(before, last), allowed) ??
      this.#likeliest(this.#behindOne, this.#context(-1, last), allowed) ??
      this.#mostFrequent(allowed)
    );
  }

  /** Greedy continuation until `isEnd`, at most `length` tokens; `allowedAt` says what may come behind those written. */
  continue(
    prefix: readonly number[],
    length: number,
    isEnd: (token: number) => boolean,
    allowedAt: (written: readonly number[]) => Allowed = () => () => true,
  ): number[] {
    const text = [...prefix.slice(-2)];
    const written: number[] = [];
    while (written.length < length) {
      const token = this.next(text.at(-2) ?? -1, text.at(-1) ?? -1, allowedAt(written));
      if (isEnd(token)) break;
      text.push(token);
      written.push(token);
    }
    return written;
  }

  #context(before: number, last: number): number {
    return (before + 1) * (this.#vocabulary + 1) + last + 1;
  }

  #likeliest(keys: Float64Array, context: number, allowed: Allowed): number | undefined {
    let best: number | undefined;
    let most = 0;
    for (let at = lowerBound(keys, context * this.#vocabulary); at < keys.length; ) {
      const key = keys[at] as number;
      if (Math.floor(key / this.#vocabulary) !== context) break;
      const run = at;
      while (keys[at] === key) at++;
      const token = key % this.#vocabulary;
      if (at - run > most && allowed(token)) [best, most] = [token, at - run];
    }
    return best;
  }

  #mostFrequent(allowed: Allowed): number {
    let best = 0;
    let most = -1;
    this.#counts.forEach((count, token) => {
      if (count > most && allowed(token)) [best, most] = [token, count];
    });
    return best;
  }
}

/** The first place of sorted numbers that holds at least `value`. */
function lowerBound(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const half = (low + high) >> 1;
    if ((sorted[half] as number) < value) low = half + 1;
    else high = half;
  }
  return low;
}

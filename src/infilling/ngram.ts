export interface NgramOptions {
  /** Number of token ids. */
  readonly vocabulary: number;
  /** Length of the longest n-gram: the predicted token and up to `order - 1` tokens before it. */
  readonly order: number;
  /** Tokens at the beginning of every text that serve as context and are not predicted; absent: 0. */
  readonly contextLength?: number;
}

/**
 * An n-gram model over tokens with interpolated modified Kneser-Ney smoothing (S. F. Chen and J. Goodman, "An
 * empirical study of smoothing techniques for language modeling", 1998, section 3): a distribution over the whole
 * vocabulary after any history.
 *
 *     p_n(w | h) = (c_n(hw) - D_n(c_n(hw)) + D_n(h) p_{n-1}(w | h without its first token)) / c_n(h)
 *
 * Here c of the highest order counts the occurrences of a sequence in the texts, c of a lower order counts the
 * different tokens that precede it, D_n(h) is the total discount of the counts after h, and p_0 is uniform. The
 * discounts follow from the numbers of sequences with the counts 1, 2, 3 and 4. If one of these is 0, all counts have
 * the same discount, as in absolute discounting.
 */
export class Ngram {
  readonly vocabulary: number;
  readonly order: number;
  /** All texts concatenated, with `order - 1` border tokens before each. */
  readonly #stream: Int32Array;
  /** The counts of orders 1, 2, …. */
  readonly #levels: readonly Level[];
  readonly #alone: Float64Array;

  constructor(texts: Iterable<ArrayLike<number>>, { vocabulary, order, contextLength = 0 }: NgramOptions) {
    this.vocabulary = vocabulary;
    this.order = order;
    const { stream, predicted } = streamOf(texts, { border: vocabulary, borders: order - 1, contextLength });
    this.#stream = stream;
    const levels: Level[] = [];
    let starts = predicted.map((position) => position - (order - 1));
    for (let length = order; length >= 1; length--) {
      const sorted = this.#sorted(starts, length);
      const { different, counts } = this.#runs(sorted, length);
      levels.unshift({ length, sorted, discounts: discountsOf(counts) });
      // The next lower order counts each sequence once for every different token that precedes it.
      starts = different.map((start) => start + 1);
    }
    this.#levels = levels;
    this.#alone = this.#refine(new Float64Array(vocabulary).fill(1 / vocabulary), levels[0] as Level, []);
  }

  /** The probability of every token after a history, whose last `order - 1` tokens count: [vocabulary]. */
  distribution(history: ArrayLike<number>): Float64Array {
    const known = Array.from({ length: this.order - 1 }, (_, index) => {
      const position = history.length - (this.order - 1) + index;
      return position < 0 ? this.vocabulary : (history[position] as number);
    });
    let found = this.#alone;
    for (const level of this.#levels.slice(1)) {
      const next = this.#refine(found, level, known.slice(known.length - (level.length - 1)));
      // If a history never occurred, no longer one did.
      if (next === found) break;
      found = next;
    }
    return found;
  }

  /** Interpolates `lower` with this order's counts after a history. Returns `lower` itself if there are none. */
  #refine(lower: Float64Array, { length, sorted, discounts }: Level, history: readonly number[]): Float64Array {
    const begin = this.#bound(sorted, 0, sorted.length, history, false);
    const end = this.#bound(sorted, begin, sorted.length, history, true);
    if (begin === end) return lower;
    const total = end - begin;
    const own = new Float64Array(this.vocabulary);
    let taken = 0;
    for (let at = begin; at < end; ) {
      const token = this.#stream[(sorted[at] as number) + length - 1] as number;
      const next = this.#endOfRun(sorted, at, end, length - 1, token);
      const discount = discounts[Math.min(next - at, discounts.length) - 1] as number;
      own[token] = (next - at - discount) / total;
      taken += discount;
      at = next;
    }
    for (let token = 0; token < own.length; token++) own[token]! += (taken / total) * (lower[token] as number);
    return own;
  }

  /**
   * Index of the first sorted sequence that begins with `history`; with `after`, of the first one after all that do.
   */
  #bound(sorted: Int32Array, from: number, to: number, history: readonly number[], after: boolean): number {
    let [low, high] = [from, to];
    while (low < high) {
      const half = (low + high) >> 1;
      const order = this.#compare(sorted[half] as number, history);
      if (order < 0 || (after && order === 0)) low = half + 1;
      else high = half;
    }
    return low;
  }

  #compare(start: number, history: readonly number[]): number {
    for (let index = 0; index < history.length; index++) {
      const difference = (this.#stream[start + index] as number) - (history[index] as number);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  /**
   * The end of a run of one token at a position of the sequences, starting at `at`. Galloping search: the steps
   * double, then halve.
   */
  #endOfRun(sorted: Int32Array, at: number, end: number, position: number, token: number): number {
    const isIn = (index: number) => index < end && this.#stream[(sorted[index] as number) + position] === token;
    let step = 1;
    while (isIn(at + step)) step *= 2;
    let last = at + (step >> 1);
    for (step >>= 1; step > 0; step >>= 1) if (isIn(last + step)) last += step;
    return last + 1;
  }

  /** Sorts sequences of `length` tokens, which are identified by their starts, with a counting sort by each token, last token first. */
  #sorted(starts: Int32Array, length: number): Int32Array {
    let [from, to]: Int32Array[] = [starts.slice(), new Int32Array(starts.length)];
    for (let position = length - 1; position >= 0; position--) {
      const next = new Int32Array(this.vocabulary + 2);
      for (const start of from!) next[(this.#stream[start + position] as number) + 1]!++;
      for (let token = 1; token < next.length; token++) next[token]! += next[token - 1] as number;
      for (const start of from!) to![next[this.#stream[start + position] as number]!++] = start;
      [from, to] = [to, from];
    }
    return from!;
  }

  /** One start per distinct sorted sequence, and how many sequences occur 1, 2, 3 and 4 times. */
  #runs(sorted: Int32Array, length: number): { different: Int32Array; counts: readonly number[] } {
    const different = new Int32Array(sorted.length);
    const counts = [0, 0, 0, 0];
    let found = 0;
    for (let at = 0; at < sorted.length; ) {
      const first = sorted[at] as number;
      let next = at + 1;
      while (next < sorted.length && this.#isSame(first, sorted[next] as number, length)) next++;
      different[found++] = first;
      if (next - at <= counts.length) counts[next - at - 1]!++;
      at = next;
    }
    return { different: different.slice(0, found), counts };
  }

  #isSame(one: number, other: number, length: number): boolean {
    for (let position = 0; position < length; position++)
      if (this.#stream[one + position] !== this.#stream[other + position]) return false;
    return true;
  }
}

/** The sequences of one length. */
interface Level {
  readonly length: number;
  /** Their starts in the stream, sorted by their tokens. A sequence occurs as often as it is counted. */
  readonly sorted: Int32Array;
  /** The discounts of a count of 1, of 2, and of more. */
  readonly discounts: readonly number[];
}

/** The discounts, from the numbers of sequences with the counts 1, 2, 3 and 4. */
function discountsOf([once, twice, thrice, fourTimes]: readonly number[]): readonly number[] {
  // If no sequence has the count 1, the discount cannot be estimated.
  const plain = once ? once / (once + 2 * twice!) : 0.5;
  if (!once || !twice || !thrice || !fourTimes) return [plain];
  const of = (count: number, these: number, next: number) =>
    Math.min(count, Math.max(0, count - ((count + 1) * plain * next) / these));
  return [of(1, once, twice), of(2, twice, thrice), of(3, thrice, fourTimes)];
}

/** Concatenates the texts, each after `borders` border tokens, and lists the positions of the predicted tokens. */
function streamOf(
  texts: Iterable<ArrayLike<number>>,
  { border, borders, contextLength }: Record<'border' | 'borders' | 'contextLength', number>,
): { stream: Int32Array; predicted: Int32Array } {
  const parts = [...texts];
  const tokens = parts.reduce((sum, { length }) => sum + length, 0);
  const stream = new Int32Array(tokens + borders * parts.length).fill(border);
  const predicted = new Int32Array(tokens);
  let [at, count] = [0, 0];
  for (const text of parts) {
    at += borders;
    stream.set(text, at);
    for (let position = contextLength; position < text.length; position++) predicted[count++] = at + position;
    at += text.length;
  }
  return { stream, predicted: predicted.slice(0, count) };
}

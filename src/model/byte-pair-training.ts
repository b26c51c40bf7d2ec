import { byteLevel, bytePairJson, inSequence, splitAt } from './byte-pair-json.ts';
import type { TokenizerFiles } from './tokenizer.ts';

/**
 * The pattern that splits code into pieces when a tokenizer is trained and applied. Merges never cross the border of a piece.
 * A line break and the indentation after it are one piece, so that a completion can end at the end of a line. A name includes
 * the space or the dot before it. Up to three digits are one piece, and so is a run of punctuation.
 */
const pieceOfCode =
  '\\r?\\n[ \\t]*|[ .]?[\\p{L}\\p{M}_$]+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{M}\\p{N}_$]+|[ \\t]+(?= [^\\s])|[ \\t]+|\\s';

/** The pieces of a text. Their concatenation is the text. */
export const piecesOf = (text: string): string[] => text.match(new RegExp(pieceOfCode, 'gu')) ?? [];

/** Names of a tokenizer's special tokens by their purpose. Their ids are 0, 1, … in this order. */
export type SpecialNames = Readonly<Record<'pad' | 'eos' | 'mask' | 'eom', string>>;

export const specialNames: SpecialNames = {
  pad: '<|pad|>',
  eos: '<|end|>',
  mask: '<|mask|>',
  eom: '<|end-of-middle|>',
};

/**
 * Trains a byte-level byte-pair encoding (arXiv 1508.07909, on bytes as in GPT-2). The most frequent pair of adjacent tokens
 * becomes a new token, until there are `vocabularySize` tokens or no pair occurs twice. If pairs are equally frequent, the
 * pair with the smaller token ids is merged first, so that the order of the texts does not matter.
 */
export function trainBytePairs(texts: Iterable<string>, vocabularySize: number): TokenizerFiles {
  const counts = new Map<string, number>();
  for (const text of texts) for (const piece of piecesOf(text)) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  const specials = Object.values(specialNames);
  const tokens = [...specials, ...byteSymbols];
  const encoder = new TextEncoder();
  // Words are sorted, so that the result does not depend on the order of the texts.
  const words = [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([piece, count]) => ({ count, symbols: Array.from(encoder.encode(piece), (byte) => specials.length + byte) }));
  const merges: [string, string][] = [];
  for (const [first, second] of mostFrequentPairs(words, tokens.length)) {
    if (tokens.length >= vocabularySize) break;
    merges.push([tokens[first] as string, tokens[second] as string]);
    tokens.push((tokens[first] as string) + (tokens[second] as string));
  }
  return tokenizerFiles(tokens, merges);
}

interface Word {
  readonly count: number;
  symbols: number[];
}

/** An upper limit for ids. It allows a pair of ids to be stored as one number. */
const base = 2 ** 20;

/** Yields the pairs to merge, most frequent first. Each is merged in all words before the next one. New ids begin at `next`. */
function* mostFrequentPairs(words: readonly Word[], next: number): Generator<[number, number]> {
  const counts = new Map<number, number>();
  const wordsWithPair = new Map<number, Set<number>>();
  const note = (pair: number, change: number, word: number) => {
    counts.set(pair, (counts.get(pair) ?? 0) + change);
    if (change < 0) return;
    const known = wordsWithPair.get(pair);
    if (known) known.add(word);
    else wordsWithPair.set(pair, new Set([word]));
  };
  for (const [index, { symbols, count }] of words.entries())
    for (let at = 0; at + 1 < symbols.length; at++) note(pairAt(symbols, at), count, index);
  const queue = new PairQueue();
  for (const [pair, count] of counts) queue.push(pair, count);

  for (let merged = next; ; merged++) {
    const best = queue.pop(counts);
    if (best === null) return;
    const changed = new Set<number>();
    for (const index of wordsWithPair.get(best) as Set<number>) {
      const word = words[index] as Word;
      for (let at = 0; at + 1 < word.symbols.length; at++) note(pairAt(word.symbols, at), -word.count, index);
      for (let at = 0; at + 1 < word.symbols.length; at++) changed.add(pairAt(word.symbols, at));
      word.symbols = withMerge(word.symbols, best, merged);
      for (let at = 0; at + 1 < word.symbols.length; at++) {
        const pair = pairAt(word.symbols, at);
        note(pair, word.count, index);
        changed.add(pair);
      }
    }
    counts.delete(best);
    wordsWithPair.delete(best);
    changed.delete(best);
    for (const pair of changed) queue.push(pair, counts.get(pair) as number);
    yield [Math.floor(best / base), best % base];
  }
}

const pairAt = (symbols: readonly number[], at: number): number =>
  (symbols[at] as number) * base + (symbols[at + 1] as number);

function withMerge(symbols: readonly number[], pair: number, merged: number): number[] {
  const result: number[] = [];
  for (let at = 0; at < symbols.length; at++) {
    if (at + 1 < symbols.length && pairAt(symbols, at) === pair) {
      result.push(merged);
      at++;
    } else result.push(symbols[at] as number);
  }
  return result;
}

/** A binary heap of pairs by count. Entries whose count has changed since they were added are stale and skipped. */
class PairQueue {
  readonly #heap: { pair: number; count: number }[] = [];

  push(pair: number, count: number): void {
    if (count < 2) return;
    const heap = this.#heap;
    let at = heap.push({ pair, count }) - 1;
    for (; at > 0; at = (at - 1) >> 1) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(at, parent)) break;
      this.#swap(at, parent);
    }
  }

  /** The most frequent pair (if there are several, the one with the smallest ids); null if no pair occurs twice. */
  pop(counts: ReadonlyMap<number, number>): number | null {
    for (;;) {
      const top = this.#heap[0];
      if (!top) return null;
      const last = this.#heap.pop()!;
      if (this.#heap.length > 0) {
        this.#heap[0] = last;
        this.#sink();
      }
      if (counts.get(top.pair) === top.count) return top.pair;
    }
  }

  #sink(): void {
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < this.#heap.length && this.#isBefore(child, least)) least = child;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a]!, this.#heap[b]!];
    return x.count > y.count || (x.count === y.count && x.pair < y.pair);
  }

  #swap(a: number, b: number): void {
    [this.#heap[a], this.#heap[b]] = [this.#heap[b]!, this.#heap[a]!];
  }
}

/** A visible character for every byte, as in GPT-2's tokenizer: printable Latin-1 is unchanged, the rest begins at U+0100. */
const byteSymbols: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(isPrintable ? byte : next++);
  });
})();

function tokenizerFiles(tokens: readonly string[], merges: readonly [string, string][]): TokenizerFiles {
  return {
    tokenizer: bytePairJson({
      addedTokens: Object.values(specialNames).map((content, id) => ({ id, content, special: true })),
      normalizer: null,
      preTokenizer: inSequence(splitAt(pieceOfCode), byteLevel()),
      postProcessor: null,
      decoder: byteLevel(),
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    }),
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      pad_token: specialNames.pad,
      eos_token: specialNames.eos,
      mask_token: specialNames.mask,
      additional_special_tokens: [specialNames.eom],
      clean_up_tokenization_spaces: false,
    },
  };
}

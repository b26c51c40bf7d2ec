import type { Context, ContextReader } from './context-reader.ts';
import type { Query } from './query.ts';

/** Canvases in the same gap of the same text. */
interface Gap {
  readonly context: Context;
  /** Where the canvas begins, and its tokens. */
  readonly position: number;
  readonly length: number;
}

/** Places whose logits are computed begin and end at a multiple of this, so that few programs are compiled. */
const placeBucket = 16;

/**
 * Logits of rows that are asked for again and again as their canvases fill. Given text is read the first time it is met, and
 * once for all rows that share it; a later pass costs the canvases alone. Exact while the weights stay.
 */
export class PrefixCache {
  readonly #reader: ContextReader;
  readonly #tokensPerPass: number;
  readonly #gaps = new Map<string, Gap>();
  /** Rows are known by their array, which fills in place. */
  readonly #rows = new WeakMap<Int32Array, Gap>();

  constructor(reader: ContextReader, tokensPerPass: number) {
    this.#reader = reader;
    this.#tokensPerPass = tokensPerPass;
  }

  /** As `LanguageModel.logits`: one Float32Array [places.length * vocab_size] per query, in order. */
  async logits(queries: readonly Query[]): Promise<Float32Array[]> {
    const results: Float32Array[] = new Array(queries.length);
    for (const [gap, rows] of await this.#byGap(queries)) {
      const rowsPerPass = Math.max(1, Math.floor(this.#tokensPerPass / gap.length));
      for (let start = 0; start < rows.length; start += rowsPerPass) {
        const own = rows.slice(start, start + rowsPerPass);
        const logits = await this.#pass(
          gap,
          own.map((row) => queries[row] as Query),
        );
        for (const [index, row] of own.entries()) results[row] = logits[index] as Float32Array;
      }
    }
    return results;
  }

  async #pass({ context, position, length }: Gap, queries: readonly Query[]): Promise<Float32Array[]> {
    const places = queries.flatMap((query) => query.places.map((place) => place - position));
    const from = Math.floor(Math.min(...places) / placeBucket) * placeBucket;
    const to = Math.min(length, (Math.floor(Math.max(...places) / placeBucket) + 1) * placeBucket);
    const canvases = queries.map(({ tokens }) => tokens.subarray(position, position + length));
    const all = await this.#reader.logits(context, canvases, { position, from, to });
    return queries.map((query, row) => {
      const computed = all[row] as Float32Array;
      const vocabulary = computed.length / (to - from);
      const wanted = new Float32Array(query.places.length * vocabulary);
      for (const [index, place] of query.places.entries()) {
        const at = (place - position - from) * vocabulary;
        wanted.set(computed.subarray(at, at + vocabulary), index * vocabulary);
      }
      return wanted;
    });
  }

  async #byGap(queries: readonly Query[]): Promise<Map<Gap, number[]>> {
    const rows = new Map<Gap, number[]>();
    for (const [row, query] of queries.entries()) {
      const gap = this.#rows.get(query.tokens) ?? (await this.#read(query));
      this.#rows.set(query.tokens, gap);
      rows.set(gap, [...(rows.get(gap) ?? []), row]);
    }
    return rows;
  }

  async #read({ tokens, canvas = 0, suffix = 0 }: Query): Promise<Gap> {
    const end = tokens.length - suffix;
    const given = [...tokens.subarray(0, canvas), ...tokens.subarray(end)];
    const key = `${canvas} ${end} ${given}`;
    const known = this.#gaps.get(key);
    if (known) return known;
    const positions = given.map((_, index) => (index < canvas ? index : end + index - canvas));
    const gap = {
      context: await this.#reader.read({ tokens: given, positions }),
      position: canvas,
      length: end - canvas,
    };
    this.#gaps.set(key, gap);
    return gap;
  }
}

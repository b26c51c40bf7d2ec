import type { Tokenizer } from '../model/tokenizer.ts';
import type { GapReading, LeftToRightModel } from './left-to-right.ts';
import type { Ngram } from './ngram.ts';

/** Enough characters to contain the tokens before a gap that the n-gram considers. */
const charactersBefore = 400;

/**
 * An n-gram that fills gaps: `text` predicts the next token, `ends` whether the middle is complete. It reads a few
 * tokens before a position and nothing after the gap.
 */
export class NgramWriter implements LeftToRightModel {
  readonly tokenizer: Tokenizer;
  readonly end: number;
  readonly mask: number;
  readonly #text: Ngram;
  readonly #ends: Ngram;

  constructor(
    tokenizer: Tokenizer,
    { eom, mask }: { readonly eom: number; readonly mask: number },
    { text, ends }: { readonly text: Ngram; readonly ends: Ngram },
  ) {
    this.tokenizer = tokenizer;
    this.end = eom;
    this.mask = mask;
    this.#text = text;
    this.#ends = ends;
  }

  async read({ prefix }: { readonly prefix: string }): Promise<GapReading> {
    const before = this.tokenizer.encode(prefix.slice(-charactersBefore));
    return {
      next: async (written) => written.map((tokens) => this.#logits([...before, ...tokens], tokens.length > 0)),
      dispose: () => undefined,
    };
  }

  /** Log-probabilities: of the text's tokens, scaled by the probability to continue, and of the end. */
  #logits(history: readonly number[], mayEnd: boolean): Float32Array {
    // No middle is empty, which the n-gram does not know.
    const over = mayEnd ? (this.#ends.distribution(history)[this.end] as number) : 0;
    const text = this.#text.distribution(history);
    const rest = (1 - over) / (1 - (text[this.end] as number));
    return Float32Array.from(text, (share, token) => Math.log(token === this.end ? over : rest * share));
  }
}

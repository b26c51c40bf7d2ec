import { readContext } from '../diffusion/gap.ts';
import { type MiddleFormat, middleFormat } from '../model/fill-in-the-middle.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import type { LeftToRightModel, NextToken } from './left-to-right.ts';
import { asOneEnd } from './merged-ends.ts';

/**
 * An autoregressive transformer that fills gaps: it reads prefix and suffix, then writes. What is given is read once; a
 * token costs what was written so far.
 */
export class AutoregressiveWriter implements LeftToRightModel {
  readonly tokenizer: Tokenizer;
  readonly end: number;
  readonly mask: number | undefined;
  readonly #model: LanguageModel;
  readonly #contextTokens: number;
  readonly #format: MiddleFormat;

  /** `contextTokens`: tokens of prefix and suffix that are read at most, the nearest to the gap. */
  constructor(model: LanguageModel, contextTokens: number) {
    this.tokenizer = model.tokenizer;
    this.#format = middleFormat(model.config, model.tokenizer);
    [this.end] = this.#format.ends;
    this.mask = model.config.mask_token_id;
    this.#model = model;
    this.#contextTokens = contextTokens;
  }

  async read(context: { readonly prefix: string; readonly suffix: string }, width: number): Promise<NextToken> {
    const { config, context: reader } = this.#model;
    const { readsSuffix, overhead, given: givenFor, ends } = this.#format;
    const request = { ...context, ...(readsSuffix ? {} : { suffix: '' }), contextTokens: this.#contextTokens };
    const { prefix, suffix } = readContext(this.tokenizer, request, config.max_position_embeddings - width - overhead);
    const given = givenFor(prefix, suffix);
    // The last of what is given predicts the first token, so it stands in the canvas.
    const position = given.length - 1;
    const last = given[position] as number;
    const read = await reader.read({ tokens: given.slice(0, -1), positions: [...Array(position).keys()] });
    return async (written) => {
      const canvases = written.map((tokens) => {
        const canvas = new Int32Array(width + 1).fill(config.pad_token_id);
        canvas.set([last, ...tokens]);
        return canvas;
      });
      const place = 1 + (written[0] as readonly number[]).length;
      const rows = await reader.logits(read, canvases, { position, from: place, to: place + 1 });
      return ends.length === 1 ? rows : rows.map((row) => asOneEnd(row, ends));
    };
  }
}

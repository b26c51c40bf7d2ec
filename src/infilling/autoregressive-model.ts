import { readContext } from '../diffusion/gap.ts';
import { givenForMiddle } from '../model/fill-in-the-middle.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import type { LeftToRightModel, NextToken } from './left-to-right.ts';

/**
 * An autoregressive transformer that fills gaps: it reads prefix and suffix, then writes. What is given is read once; a
 * token costs what was written so far.
 */
export class AutoregressiveWriter implements LeftToRightModel {
  readonly tokenizer: Tokenizer;
  readonly end: number;
  readonly mask: number;
  readonly #model: LanguageModel;
  readonly #contextTokens: number;

  /** `contextTokens`: tokens of prefix and suffix that are read at most, the nearest to the gap. */
  constructor(model: LanguageModel, contextTokens: number) {
    this.tokenizer = model.tokenizer;
    this.end = model.config.eom_token_id as number;
    this.mask = model.config.mask_token_id;
    this.#model = model;
    this.#contextTokens = contextTokens;
  }

  async read(context: { readonly prefix: string; readonly suffix: string }, width: number): Promise<NextToken> {
    const { config, context: reader } = this.#model;
    const request = { ...context, contextTokens: this.#contextTokens };
    const { prefix, suffix } = readContext(this.tokenizer, request, config.max_position_embeddings - width - 2);
    const given = givenForMiddle(prefix, suffix, { mask: config.mask_token_id, eos: config.eos_token_id });
    // The last of what is given predicts the first token, so it stands in the canvas.
    const position = given.length - 1;
    const last = given[position] as number;
    const read = await reader.read({ tokens: given.slice(0, -1), positions: [...Array(position).keys()] });
    return (written) => {
      const canvases = written.map((tokens) => {
        const canvas = new Int32Array(width + 1).fill(config.pad_token_id);
        canvas.set([last, ...tokens]);
        return canvas;
      });
      const place = 1 + (written[0] as readonly number[]).length;
      return reader.logits(read, canvases, { position, from: place, to: place + 1 });
    };
  }
}

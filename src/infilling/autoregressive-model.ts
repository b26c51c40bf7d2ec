import { readContext } from '../diffusion/gap.ts';
import { givenForMiddle } from '../model/fill-in-the-middle.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import type { LeftToRightModel, NextToken } from './left-to-right.ts';

/**
 * An autoregressive transformer that fills gaps: it reads prefix and suffix, then writes the middle. The context is
 * encoded once. A step encodes only the tokens written so far.
 */
export class AutoregressiveWriter implements LeftToRightModel {
  readonly tokenizer: Tokenizer;
  readonly end: number;
  readonly mask: number;
  readonly #model: LanguageModel;
  readonly #contextTokens: number;

  /** `contextTokens`: the number of prefix and suffix tokens to read, those nearest to the gap. */
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
    const contextTokens = givenForMiddle(prefix, suffix, { mask: config.mask_token_id, eos: config.eos_token_id });
    // The last context token predicts the first token of the middle, so it is part of the canvas.
    const position = contextTokens.length - 1;
    const last = contextTokens[position] as number;
    const read = await reader.read({ tokens: contextTokens.slice(0, -1), positions: [...Array(position).keys()] });
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

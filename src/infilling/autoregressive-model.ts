import { DecodingSession } from '../diffusion/decoding-session.ts';
import { readContext } from '../diffusion/gap-context.ts';
import { givenForMiddle } from '../model/fill-in-the-middle.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import type { LeftToRightModel, ReadGap } from './left-to-right.ts';

/**
 * An autoregressive transformer that fills gaps: it reads prefix and suffix once, then writes the middle. A token costs a pass
 * over the canvas.
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

  async read(context: { readonly prefix: string; readonly suffix: string }, width: number): Promise<ReadGap> {
    const { config } = this.#model;
    const request = { ...context, contextTokens: this.#contextTokens };
    const { prefix, suffix } = readContext(this.tokenizer, request, config.max_position_embeddings - width - 2);
    const prompt = givenForMiddle(prefix, suffix, { mask: config.mask_token_id, eos: config.eos_token_id });
    // The prompt's last token predicts the first token of the middle, so the canvas begins with it.
    const last = prompt.pop() as number;
    const session = new DecodingSession(this.#model, { block: 1 });
    const text = await session.open({ prompt, width: width + 1 });
    return {
      next: (written) =>
        session.logits(
          written.map((middle) => {
            const tokens = new Int32Array(width + 1).fill(config.pad_token_id);
            tokens.set([last, ...middle]);
            return { text, tokens, positions: [1 + middle.length] };
          }),
        ),
      dispose: () => session.dispose(),
    };
  }
}

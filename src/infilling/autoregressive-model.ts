import { DecodingSession } from '../diffusion/decoding-session.ts';
import { readContext } from '../diffusion/gap-context.ts';
import { mergeTokens } from '../diffusion/merge-tokens.ts';
import { type MiddleFormat, middleFormat } from '../model/fill-in-the-middle.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import type { GapReading, LeftToRightModel } from './left-to-right.ts';

/** Marks positions that are not written yet if the vocabulary has no mask: an id that no token has. */
const noToken = -1;

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
  readonly #format: MiddleFormat;

  /** `contextTokens`: the number of prefix and suffix tokens to read, those nearest to the gap. */
  constructor(model: LanguageModel, contextTokens: number) {
    this.tokenizer = model.tokenizer;
    this.#format = middleFormat(model.config, model.tokenizer);
    [this.end] = this.#format.ends;
    this.mask = model.config.mask_token_id ?? noToken;
    this.#model = model;
    this.#contextTokens = contextTokens;
  }

  async read(context: { readonly prefix: string; readonly suffix: string }, width: number): Promise<GapReading> {
    const { config } = this.#model;
    const { readsSuffix, overhead, promptFor, ends } = this.#format;
    const request = {
      ...context,
      ...(readsSuffix ? {} : { suffix: '' }),
      contextTokens: this.#contextTokens,
      isKept: config.attention === 'causal-context',
    };
    const { prefix, suffix } = readContext(this.tokenizer, request, config.max_position_embeddings - width - overhead);
    const prompt = promptFor(prefix, suffix);
    // The prompt's last token predicts the first token of the middle. Where the session does not compute it with the canvas, the
    // canvas begins with it.
    const causal = config.attention === 'causal-context';
    const lead = causal ? [] : [prompt.pop() as number];
    const session = new DecodingSession(this.#model, { block: 1 });
    const canvasContext = await session.open({ prompt, width: lead.length + width });
    return {
      next: async (written) => {
        const canvases = written.map((middle) => {
          const tokens = new Int32Array(lead.length + width).fill(config.pad_token_id);
          tokens.set([...lead, ...middle]);
          return { context: canvasContext, tokens, positions: [lead.length + middle.length], causal };
        });
        const rows = (await session.logits(canvases)).map(([row]) => row as Float32Array);
        return ends.length === 1 ? rows : rows.map((row) => mergeTokens(row, ends));
      },
      dispose: () => session.dispose(),
    };
  }
}

import { DecodingSession } from '../diffusion/decoding-session.ts';
import { fillGreedily } from '../diffusion/fill-at-once.ts';
import { readContext } from '../diffusion/gap-context.ts';
import { maskToken } from '../model/config.ts';
import { suffixFirst, suffixFirstOverhead, suffixFirstTokens } from '../model/fill-in-the-middle.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import type { GapReading, LeftToRightModel } from './left-to-right.ts';

/** Tokens of a draft. */
const usualDraft = 8;

/** The number of passes over canvases: to draft, and to verify. */
export interface DraftPasses {
  drafts: number;
  verifications: number;
}

/**
 * A converted model that writes from the left with drafts (self-speculation, arXiv 2607.05722): one pass denoises the next tokens in
 * parallel, and a causal pass of the same weights computes the logits after every token of the draft. Those logits are kept, so as
 * long as the writer chooses the draft's tokens, it needs no further pass. The logits are always the causal ones, so the text does
 * not depend on the drafts.
 */
export class DraftingWriter implements LeftToRightModel {
  readonly tokenizer: Tokenizer;
  readonly end: number;
  readonly mask: number;
  readonly passes: DraftPasses = { drafts: 0, verifications: 0 };
  readonly #model: LanguageModel;
  readonly #contextTokens: number;
  readonly #draftTokens: number;

  /** `contextTokens`: the number of prefix and suffix tokens to read; `draftTokens`: the length of a draft. */
  constructor(model: LanguageModel, contextTokens: number, draftTokens = usualDraft) {
    this.tokenizer = model.tokenizer;
    this.end = model.config.eom_token_id as number;
    this.mask = maskToken(model.config);
    this.#model = model;
    this.#contextTokens = contextTokens;
    this.#draftTokens = draftTokens;
  }

  async read(context: { readonly prefix: string; readonly suffix: string }, width: number): Promise<GapReading> {
    const { config } = this.#model;
    const special = suffixFirstTokens(config);
    if (!special) throw new Error('only a converted model drafts and verifies');
    const available = config.max_position_embeddings - width - suffixFirstOverhead;
    const request = { ...context, contextTokens: this.#contextTokens };
    const { prefix, suffix } = readContext(this.tokenizer, request, available);
    const prompt = suffixFirst(prefix, suffix, special);
    const drafting = new DecodingSession(this.#model);
    const verifying = new DecodingSession(this.#model, { causal: true });
    const [draftContext, causalContext] = [
      await drafting.open({ prompt, width }),
      await verifying.open({ prompt: prompt.slice(0, -1), width: width + 1 }),
    ];
    const last = prompt.at(-1) as number;
    /** Logits after the tokens of a middle, by those tokens. */
    const known = new Map<string, Float32Array>();

    const draft = async (written: readonly number[]): Promise<number[]> => {
      const positions = range(written.length, Math.min(width, written.length + this.#draftTokens));
      const tokens = new Int32Array(width).fill(this.mask);
      tokens.set(written);
      const [rows] = await drafting.logits([{ context: draftContext, tokens, positions }]);
      this.passes.drafts++;
      const logits = new Float32Array(positions.length * config.vocab_size);
      for (const [index, row] of rows!.entries()) logits.set(row, index * config.vocab_size);
      return [
        ...fillGreedily(tokens, positions, logits, this.mask).subarray(written.length, written.length + rows!.length),
      ];
    };
    const verify = async (written: readonly number[], drafted: readonly number[]): Promise<void> => {
      const all = [...written, ...drafted].slice(0, width - 1);
      const tokens = new Int32Array(width + 1).fill(config.pad_token_id);
      tokens.set([last, ...all]);
      const lengths = range(written.length, all.length + 1);
      const positions = lengths.map((length) => length + 1);
      const [rows] = await verifying.logits([{ context: causalContext, tokens, positions }]);
      this.passes.verifications++;
      for (const [index, length] of lengths.entries())
        known.set(String(all.slice(0, length)), rows![index] as Float32Array);
    };
    return {
      next: async (middles) => {
        const rows: Float32Array[] = [];
        for (const written of middles) {
          if (!known.has(String(written))) await verify(written, await draft(written));
          rows.push(known.get(String(written)) as Float32Array);
        }
        return rows;
      },
      dispose: () => {
        drafting.dispose();
        verifying.dispose();
      },
    };
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

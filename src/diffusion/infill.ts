import { assertDenoises, type ModelConfig, maskToken } from '../model/config.ts';
import { textEdges } from '../model/fill-in-the-middle.ts';
import type { GenerationDefaults } from '../model/generation.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { UserError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import { type Canvas, newCanvas } from './canvas.ts';
import { DecodingSession } from './decoding-session.ts';
import { type DecodingHooks, type FillHooks, fillCanvases, predictorOf } from './fill-canvases.ts';
import { fillWithDrafts } from './fill-with-drafts.ts';
import { canvasContext, contextOverhead, type GapContext, readContext } from './gap-context.ts';
import {
  type Infilling,
  type InfillRules,
  infillingOf,
  isStopped,
  newlineTokens,
  type StoppingRules,
} from './infill-result.ts';
import { healedPrefix } from './token-healing.ts';

/** The gap to fill, and how. */
export interface InfillRequest {
  readonly prefix: string;
  readonly suffix: string;
  /** Maximum number of tokens of prefix and suffix; the tokens nearest to the gap are read. */
  readonly contextTokens: number;
  /**
   * Maximum number of completions to generate. If the gap is denoised, the first three are greedy, on canvases of a quarter, a half
   * and all of the model's width; the others are drawn at `temperature` on the full width. With drafts, or if `width` is set, only
   * the first is greedy.
   */
  readonly alternatives: number;
  readonly seed: number;
  /** Temperature of the alternatives that are drawn. */
  readonly temperature: number;
  /** A step reveals every token with a confidence above this, and at least one. */
  readonly threshold: number;
  /** Width of every canvas, in tokens; default: as explained at `alternatives`. */
  readonly width?: number;
  /** How to fill the gap; default: the model's `gap_decoding`. Models without `causal-context` attention always denoise. */
  readonly decoding?: GenerationDefaults['gap_decoding'];
  /** Tokens of a block; default: the model's. */
  readonly block?: number;
  /**
   * Steps after which a context that attends to the canvas (`full` attention) is read again; its keys and values are kept in
   * between (`DecodingSession`). Default: 1, every step, which is exact.
   */
  readonly contextRefresh?: number;
  /** Stop at the end of the first line. */
  readonly singleLine: boolean;
  /** When to stop an alternative before its end; default: never. */
  readonly stops?: StoppingRules;
}

/** How the caller stops and observes an infilling. */
export interface InfillHooks extends Pick<DecodingHooks, 'signal' | 'checkCancelled'> {
  /**
   * Called with each alternative except the last as soon as it is done. If it returns false, the next one is generated. Default:
   * all are generated.
   */
  readonly isEnough?: (alternative: Infilling) => Promise<boolean>;
  /** How many of the most likely other tokens to record for each revealed position; default: none. */
  readonly runnersUp?: number;
  /**
   * Called after each step of an alternative with its index, its canvas, the healed prefix and the model. The next step changes the
   * canvas, so copy the parts that you keep.
   */
  readonly watch?: (alternative: number, canvas: Canvas, healed: string, model: LanguageModel) => void;
}

/** The result of `infill`. */
export interface InfillResult {
  /** As many as were requested, or those up to the first that `isEnough` accepted. */
  readonly alternatives: readonly Infilling[];
  /** The end of the prefix that the canvas spells again (`healedPrefix`). */
  readonly healed: string;
  /** Number of tokens of prefix and suffix that were read. */
  readonly contextTokens: number;
  /** Forward passes over canvases; one pass may compute several canvases. */
  readonly forwards: number;
  /** Milliseconds for reading the context, and for the denoising steps. */
  readonly contextMilliseconds: number;
  readonly denoiseMilliseconds: number;
}

/**
 * Whether a model fills gaps: it was trained to do so, or it is a published model with full attention. Published models have no
 * token for the end of the middle, only one for the end of the text, so they usually fill the canvas completely.
 */
export const completesCode = (config: ModelConfig): boolean =>
  config.attention === 'prefix-lm' || config.attention === 'causal-context'
    ? config.eom_token_id !== undefined
    : config.attention === 'full' && config.published_config !== undefined;

/**
 * Widths of the greedy alternatives, as shares of the model's canvas. The length of a middle is not known, and a model tends to
 * fill its canvas, so each width is a guess at the length. The narrow canvas comes first: short middles are correct most often and
 * take the least time.
 */
const canvasShares = [1 / 4, 1 / 2, 1] as const;

/**
 * Fills the gap between a prefix and a suffix. The canvas is wider than most middles, and the model predicts where the middle
 * ends: nothing follows the end-of-middle token. Blocks are unmasked from the left, and in a block each step reveals every token
 * with a confidence above `threshold` (Fast-dLLM, arXiv 2505.22618). If the prefix ends within a word, the canvas begins with the
 * part of the word that is already typed (token healing). A converted model may write from the left with drafts instead
 * (`fillWithDrafts`). Throws a `UserError` if the model cannot fill gaps.
 */
export async function infill(
  model: LanguageModel,
  request: InfillRequest,
  hooks: InfillHooks = {},
): Promise<InfillResult> {
  assertDenoises(model.config);
  if (!completesCode(model.config))
    throw new UserError('This model was not trained to complete code; choose one that was, such as unmask-code.');
  const filler = new GapFiller(model, request, hooks);
  try {
    return await filler.fill();
  } finally {
    filler.dispose();
  }
}

/** Tokens of a context that are read before `readAhead` checks whether it was cancelled. */
const readAheadTokens = 128;

/**
 * Reads the context of a gap before it is asked for, if the model keeps the last context it read. The next `infill` at this
 * place, or after more text was typed, then reads only the new tokens. Does nothing for other models.
 */
export async function readAhead(
  model: LanguageModel,
  request: InfillRequest,
  hooks: Pick<InfillHooks, 'signal' | 'checkCancelled'> = {},
): Promise<void> {
  if (!model.inference || !completesCode(model.config) || !keepsContext(model.config)) return;
  const filler = new GapFiller(model, request, hooks);
  try {
    await filler.readContext();
  } finally {
    filler.dispose();
  }
}

/** Whether the keys and values of a context depend only on the tokens before them, so that they can be kept while it grows. */
const keepsContext = ({ attention }: ModelConfig): boolean => attention === 'causal-context';

/** How an alternative is generated. */
interface AlternativePlan {
  readonly width: number;
  readonly temperature: number;
  readonly random: Random;
}

class GapFiller {
  readonly #model: LanguageModel;
  readonly #request: InfillRequest;
  readonly #hooks: InfillHooks;
  readonly #session: DecodingSession;
  readonly #rules: InfillRules;
  readonly #usesDrafts: boolean;
  readonly #denoisesDrafts: boolean;
  readonly #block: number;
  readonly #healed: string;
  readonly #context: GapContext;
  readonly #alternatives: readonly AlternativePlan[];
  #forwards = 0;
  #contextMilliseconds = 0;
  #denoiseMilliseconds = 0;

  constructor(model: LanguageModel, request: InfillRequest, hooks: InfillHooks) {
    const { config, tokenizer, generation } = model;
    const width = request.width ?? canvasWidth(generation, request.singleLine);
    this.#model = model;
    this.#request = request;
    this.#hooks = hooks;
    this.#healed = healedPrefix(tokenizer, request.prefix);
    const { decoding = generation.gap_decoding ?? 'denoise' } = request;
    this.#usesDrafts = config.attention === 'causal-context' && decoding !== 'denoise';
    this.#denoisesDrafts = decoding === 'drafts';
    this.#block = this.#usesDrafts ? 1 : (request.block ?? generation.block_length);
    this.#session = new DecodingSession(model, { block: this.#block, refresh: request.contextRefresh ?? 1 });
    const prefix = request.prefix.slice(0, request.prefix.length - this.#healed.length);
    this.#context = readContext(
      tokenizer,
      { ...request, prefix, isKept: keepsContext(config), edges: textEdges(config, tokenizer) },
      config.max_position_embeddings - width - contextOverhead(config),
    );
    const gap = gapRules(model, request.singleLine);
    this.#rules = {
      ...(this.#usesDrafts ? { order: 'confidence', steps: width } : { order: 'threshold', steps: 1 }),
      threshold: request.threshold,
      mask: maskToken(config),
      ...(hooks.runnersUp ? { runnersUp: hooks.runnersUp } : {}),
      gap: this.#usesDrafts ? { ...gap, mergeLineEnds: request.singleLine } : gap,
    };
    const shares = request.width === undefined && !this.#usesDrafts ? canvasShares : [1];
    this.#alternatives = Array.from({ length: request.alternatives }, (_, index) => ({
      width: Math.ceil(width * (shares[index] ?? 1)),
      temperature: index < shares.length ? 0 : request.temperature,
      random: new Random(request.seed, 'infill', index),
    }));
  }

  async fill(): Promise<InfillResult> {
    const { isEnough } = this.#hooks;
    const generated: Infilling[] = [];
    if (isEnough) {
      for (const alternative of this.#alternatives) {
        generated.push(...(await this.#fillTogether([alternative])));
        const isLast = generated.length === this.#alternatives.length;
        if (!isLast && (await isEnough(generated.at(-1) as Infilling))) break;
      }
    } else for (const batch of byWidth(this.#alternatives)) generated.push(...(await this.#fillTogether(batch)));
    return {
      alternatives: generated,
      healed: this.#healed,
      contextTokens: this.#context.prefix.length + this.#context.suffix.length,
      forwards: this.#forwards,
      contextMilliseconds: this.#contextMilliseconds,
      denoiseMilliseconds: this.#denoiseMilliseconds,
    };
  }

  /** Reads the context some tokens at a time. */
  async readContext(): Promise<void> {
    const { prompt, ...context } = canvasContext(this.#model.config, this.#context, 1);
    const tokens = Array.from(prompt);
    for (let read = readAheadTokens; ; read += readAheadTokens) {
      this.#hooks.signal?.throwIfAborted();
      await this.#hooks.checkCancelled?.();
      await this.#session.open({ ...context, prompt: tokens.slice(0, read) });
      if (read >= tokens.length) break;
    }
  }

  dispose(): void {
    this.#session.dispose();
  }

  /** Fills alternatives of the same width in one batch; they share the context. */
  async #fillTogether(batch: readonly AlternativePlan[]): Promise<Infilling[]> {
    const { signal, checkCancelled, watch } = this.#hooks;
    signal?.throwIfAborted();
    await checkCancelled?.();
    const begin = performance.now();
    const canvases = await this.#openCanvases(batch);
    const read = performance.now();
    this.#contextMilliseconds += read - begin;
    const { stops } = this.#request;
    await this.#decode(canvases, {
      ...(signal ? { signal } : {}),
      ...(checkCancelled ? { checkCancelled } : {}),
      ...(stops ? { isOver: (canvas) => isStopped(canvas, this.#healed, this.#rules, stops) } : {}),
      onStep: (stepped) => {
        this.#forwards++;
        for (const canvas of stepped) {
          const alternative = this.#alternatives.indexOf(batch[canvases.indexOf(canvas)] as AlternativePlan);
          watch?.(alternative, canvas, this.#healed, this.#model);
        }
      },
    });
    this.#denoiseMilliseconds += performance.now() - read;
    return canvases.map((canvas) => infillingOf(canvas, this.#healed, this.#rules));
  }

  async #decode(canvases: readonly Canvas[], hooks: FillHooks): Promise<void> {
    if (!this.#usesDrafts) return fillCanvases(canvases, predictorOf(this.#session), this.#rules, hooks);
    const filler = this.#model.config.pad_token_id;
    const drafting = { session: this.#session, filler, denoises: this.#denoisesDrafts };
    for (const canvas of canvases) await fillWithDrafts(canvas, this.#rules, drafting, hooks);
  }

  async #openCanvases(batch: readonly AlternativePlan[]): Promise<Canvas[]> {
    const { width } = batch[0] as AlternativePlan;
    const context = await this.#session.open(canvasContext(this.#model.config, this.#context, width));
    return batch.map(({ temperature, random }) =>
      newCanvas({
        context,
        width,
        mask: this.#rules.mask,
        blocks: { length: this.#block, offset: 0 },
        temperature,
        random,
        healed: this.#healed,
        keepRunnersUp: this.#rules.runnersUp !== undefined,
      }),
    );
  }
}

/** The rules for the end of a middle that this model generates. */
export function gapRules({ config, tokenizer }: Pick<LanguageModel, 'config' | 'tokenizer'>, singleLine: boolean) {
  return {
    end: config.eom_token_id ?? config.eos_token_id,
    lineEnds: singleLine ? newlineTokens(tokenizer) : new Set<number>(),
    tokenizer,
  };
}

function byWidth(alternatives: readonly AlternativePlan[]): AlternativePlan[][] {
  const widths = new Set(alternatives.map(({ width }) => width));
  return [...widths].map((width) => alternatives.filter((alternative) => alternative.width === width));
}

/** Width, in tokens, of the widest canvas with which a model fills a gap. */
export const canvasWidth = ({ line_canvas = 32, canvas = 64 }: GenerationDefaults, singleLine: boolean): number =>
  singleLine ? line_canvas : canvas;

import { assertDenoises, type ModelConfig, maskToken } from '../model/config.ts';
import type { GenerationDefaults } from '../model/generation.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { UserError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import { type Canvas, newCanvas } from './canvas.ts';
import { DecodingSession } from './decoding-session.ts';
import { type DecodingHooks, fillCanvases, predictIn } from './fill-canvases.ts';
import { type GapContext, readContext } from './gap-context.ts';
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
  /** Tokens of prefix and suffix that are read at most, the nearest to the gap. */
  readonly contextTokens: number;
  /**
   * Completions to make. The first three are greedy, on a quarter of the model's canvas, on half and on all of it; the others
   * are drawn at `temperature` on all of it. If `width` is set, only the first is greedy.
   */
  readonly alternatives: number;
  readonly seed: number;
  /** Temperature of the alternatives that are drawn. */
  readonly temperature: number;
  /** A token is revealed as soon as its confidence is above this; at least one is in every step. */
  readonly threshold: number;
  /** Tokens of every canvas; default: the model's, and fewer. */
  readonly width?: number;
  /** Tokens of a block; default: the model's. */
  readonly block?: number;
  /**
   * Steps after which a context that sees the canvas (`full` attention) is read again: its keys and values are kept in
   * between (`DecodingSession`). 1, the default, reads it in every step and is exact.
   */
  readonly contextRefresh?: number;
  /** Stop at the end of the first line. */
  readonly singleLine: boolean;
  /** When an alternative is not denoised to its end; default: never. */
  readonly stops?: StoppingRules;
}

/** Who watches an infilling, and who may end it. */
export interface InfillHooks extends Pick<DecodingHooks, 'signal' | 'checkCancelled'> {
  /**
   * Asked of every alternative but the last as soon as it is done: whether it will do. If not, the next one is begun.
   * Default: all are made.
   */
  readonly isEnough?: (made: Infilling) => Promise<boolean>;
  /** How many of the likeliest other tokens are kept of every position that the model reveals; default: none. */
  readonly runnersUp?: number;
  /**
   * Sees an alternative after each of its steps, the healed prefix that it repeats, and the model that fills it. The next step
   * changes the canvas.
   */
  readonly watch?: (alternative: number, canvas: Canvas, healed: string, model: LanguageModel) => void;
}

export interface Infilled {
  /** As many as were asked for, or up to the first that was enough. */
  readonly alternatives: readonly Infilling[];
  /** The end of the prefix that the canvas repeats (`healedPrefix`). */
  readonly healed: string;
  /** Tokens of prefix and suffix that were read. */
  readonly contextTokens: number;
  /** Forward passes over canvases; one pass may hold several. */
  readonly forwards: number;
  /** Milliseconds for reading the context, and for the denoising steps. */
  readonly contextMilliseconds: number;
  readonly denoiseMilliseconds: number;
}

/**
 * Whether a model fills gaps: it was trained to, or it is a published one whose tokens see what follows them too. The latter
 * fill the canvas as it is, because the only end that they know is the end of the text.
 */
export const completesCode = (config: ModelConfig): boolean =>
  config.attention === 'prefix-lm'
    ? config.eom_token_id !== undefined
    : config.attention === 'full' && config.published_config !== undefined;

/**
 * Widths of the greedy alternatives, as shares of the model's canvas. The length of a middle is not known, and a model expects
 * about as much as the canvas holds, so several widths are several guesses at the length. Short middles are right most often,
 * and take the least time.
 */
const canvasShares = [1 / 4, 1 / 2, 1] as const;

/**
 * Fills the gap between a prefix and a suffix. The canvas is wider than most middles, and the model says where the middle
 * ends: after the end-of-middle token there is nothing. Blocks are unmasked from the left, and within a block every token
 * with a confidence above `threshold` at once (Fast-dLLM, arXiv 2505.22618). A word that the prefix breaks off is taken back
 * into the canvas (token healing). Throws a `UserError` if the model cannot fill gaps.
 */
export async function infill(model: LanguageModel, request: InfillRequest, hooks: InfillHooks = {}): Promise<Infilled> {
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

/** How an alternative is made. */
interface Alternative {
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
  readonly #block: number;
  readonly #healed: string;
  readonly #context: GapContext;
  readonly #alternatives: readonly Alternative[];
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
    this.#block = request.block ?? generation.block_length;
    this.#session = new DecodingSession(model, { block: this.#block, refresh: request.contextRefresh ?? 1 });
    const prefix = request.prefix.slice(0, request.prefix.length - this.#healed.length);
    this.#context = readContext(tokenizer, { ...request, prefix }, config.max_position_embeddings - width);
    this.#rules = {
      order: 'threshold',
      steps: 1,
      threshold: request.threshold,
      mask: maskToken(config),
      ...(hooks.runnersUp ? { runnersUp: hooks.runnersUp } : {}),
      gap: gapRules(model, request.singleLine),
    };
    const shares = request.width === undefined ? canvasShares : [1];
    this.#alternatives = Array.from({ length: request.alternatives }, (_, index) => ({
      width: Math.ceil(width * (shares[index] ?? 1)),
      temperature: index < shares.length ? 0 : request.temperature,
      random: new Random(request.seed, 'infill', index),
    }));
  }

  async fill(): Promise<Infilled> {
    const { isEnough } = this.#hooks;
    const made: Infilling[] = [];
    if (isEnough) {
      for (const alternative of this.#alternatives) {
        made.push(...(await this.#fillTogether([alternative])));
        if (made.length < this.#alternatives.length && (await isEnough(made.at(-1) as Infilling))) break;
      }
    } else for (const batch of ofOneWidth(this.#alternatives)) made.push(...(await this.#fillTogether(batch)));
    return {
      alternatives: made,
      healed: this.#healed,
      contextTokens: this.#context.prefix.length + this.#context.suffix.length,
      forwards: this.#forwards,
      contextMilliseconds: this.#contextMilliseconds,
      denoiseMilliseconds: this.#denoiseMilliseconds,
    };
  }

  dispose(): void {
    this.#session.dispose();
  }

  /** Alternatives of one width share their steps and their context. */
  async #fillTogether(batch: readonly Alternative[]): Promise<Infilling[]> {
    const { signal, checkCancelled, watch } = this.#hooks;
    signal?.throwIfAborted();
    await checkCancelled?.();
    const begin = performance.now();
    const canvases = await this.#open(batch);
    const read = performance.now();
    this.#contextMilliseconds += read - begin;
    const { stops } = this.#request;
    await fillCanvases(canvases, predictIn(this.#session), this.#rules, {
      ...(signal ? { signal } : {}),
      ...(checkCancelled ? { checkCancelled } : {}),
      ...(stops ? { isOver: (canvas) => isStopped(canvas, this.#healed, this.#rules, stops) } : {}),
      onStep: (stepped) => {
        this.#forwards++;
        for (const canvas of stepped) {
          const alternative = this.#alternatives.indexOf(batch[canvases.indexOf(canvas)] as Alternative);
          watch?.(alternative, canvas, this.#healed, this.#model);
        }
      },
    });
    this.#denoiseMilliseconds += performance.now() - read;
    return canvases.map((canvas) => infillingOf(canvas, this.#healed, this.#rules));
  }

  async #open(batch: readonly Alternative[]): Promise<Canvas[]> {
    const { prefix: prompt, suffix } = this.#context;
    const { width } = batch[0] as Alternative;
    const text = await this.#session.open({ prompt, suffix, width });
    return batch.map(({ temperature, random }) =>
      newCanvas({
        text,
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

/** The rules that end a middle of this model. */
export function gapRules({ config, tokenizer }: Pick<LanguageModel, 'config' | 'tokenizer'>, singleLine: boolean) {
  return {
    end: config.eom_token_id ?? config.eos_token_id,
    lineEnds: singleLine ? newlineTokens(tokenizer) : new Set<number>(),
    tokenizer,
  };
}

function ofOneWidth(alternatives: readonly Alternative[]): Alternative[][] {
  const widths = new Set(alternatives.map(({ width }) => width));
  return [...widths].map((width) => alternatives.filter((alternative) => alternative.width === width));
}

/** Tokens of the widest canvas that a model fills a gap with. */
export const canvasWidth = ({ line_canvas = 32, canvas = 64 }: GenerationDefaults, singleLine: boolean): number =>
  singleLine ? line_canvas : canvas;

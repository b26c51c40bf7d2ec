import { healedPrefix } from '../../../src/diffusion/token-healing.ts';
import { type ModelConfig, maskToken } from '../../../src/model/config.ts';
import type { GenerationDefaults } from '../../../src/model/generation.ts';
import type { LanguageModel } from '../../../src/model/language-model.ts';
import { UserError } from '../../../src/platform/errors.ts';
import { Random } from '../../../src/platform/random.ts';
import {
  blockEnd,
  finished,
  type Infilling,
  type InfillRules,
  isStopped,
  newCanvas,
  newlineTokens,
  type OpenCanvas,
  reveal,
  type StoppingRules,
  type WatchedCanvas,
} from './canvas.ts';
import { type Gap, openGap, readContext } from './gap.ts';

/** What stands before and after the place to be filled, and how. */
export interface InfillRequest {
  readonly prefix: string;
  readonly suffix: string;
  /**
   * Completions that are made: the first three are greedy, on a quarter of the model's canvas, on half and on all of it, the
   * others are drawn at `temperature` on all of it. Where the `width` is given the first alone is greedy.
   */
  readonly alternatives: number;
  readonly seed: number;
  /** Temperature of the alternatives that are drawn. */
  readonly temperature: number;
  /** A token is revealed as soon as the model is surer of it than this; at least one is in every step. */
  readonly threshold: number;
  /** Tokens of prefix and suffix that are read at most, the nearest to the gap. */
  readonly contextTokens: number;
  /** Tokens of every canvas; absent: as many as the model is meant to be decoded with, and fewer. */
  readonly width?: number;
  /** Tokens of a block; absent: as many as the model is meant to be decoded with. */
  readonly block?: number;
  /** Stop at the end of the first line: what follows it is not denoised. */
  readonly singleLine: boolean;
  /** When an alternative is not denoised to its end; absent: never. */
  readonly stops?: StoppingRules;
  /**
   * Asked of every alternative but the last once it is done, whether it will do: the next is begun where it will not. Absent:
   * all are made.
   */
  readonly isEnough?: (made: Infilling) => Promise<boolean>;
  /** So many of the likeliest other tokens are kept of every place that the model reveals; none where it is absent. */
  readonly runnersUp?: number;
  /**
   * Sees an alternative after each of its steps, what of the prefix it repeats, and the model that fills it; for who watches.
   * The next step changes the canvas.
   */
  readonly watch?: (alternative: number, canvas: WatchedCanvas, begun: string, model: LanguageModel) => void;
  /** Awaited between two steps; throws to stop. */
  readonly betweenSteps?: () => Promise<void> | void;
}

export interface Infilled {
  /** As many as were asked for, or up to the first that was enough. */
  readonly alternatives: readonly Infilling[];
  /** The end of the prefix that the canvas repeats: a word under way (`begunPiece`). */
  readonly begun: string;
  /** Tokens of prefix and suffix that were read. */
  readonly contextTokens: number;
  /** Forward passes over the canvas. */
  readonly forwards: number;
  /** Milliseconds for reading the context, and for the denoising steps. */
  readonly contextMilliseconds: number;
  readonly denoiseMilliseconds: number;
}

/**
 * Whether a model fills gaps: it was trained to, or it is a published one whose tokens see what is behind them too. Those fill
 * the canvas as it stands, for they know no end of the middle but the end of the text.
 */
export const completesCode = (config: ModelConfig): boolean =>
  config.attention === 'prefix-lm'
    ? config.eom_token_id !== undefined
    : config.attention === 'full' && config.published_config !== undefined;

/**
 * Widths of the greedy alternatives, of the model's canvas. How long a middle is nobody knows, and a model expects about as
 * much as the canvas holds, so that several widths are several guesses at the length. What is short is right most often, and
 * made soonest.
 */
const canvasShares = [1 / 4, 1 / 2, 1] as const;

/**
 * Fills the gap between a prefix and a suffix. A canvas stands in the gap, wider than most middles, and the model says
 * where the middle ends: behind the end-of-middle token there is nothing. Blocks are unmasked from the left, and within
 * a block every token surer than `threshold` at once (Fast-dLLM, arXiv 2505.22618). Where the attention allows it, the
 * context is read once for each width and a step costs the canvas alone. Throws a `UserError` where the model cannot fill
 * gaps.
 */
export async function infill(model: LanguageModel, request: InfillRequest): Promise<Infilled> {
  const { config, tokenizer, generation } = model;
  if (!completesCode(config))
    throw new UserError('This model was not trained to complete code; choose one that was, such as unmask-code.');
  const width = request.width ?? canvasWidth(generation, request.singleLine);
  const begun = healedPrefix(tokenizer, request.prefix);
  const given = { ...request, prefix: request.prefix.slice(0, request.prefix.length - begun.length) };
  const context = readContext(tokenizer, given, config.max_position_embeddings - width);
  const rules: InfillRules = {
    mask: maskToken(config),
    end: config.eom_token_id ?? config.eos_token_id,
    endsLine: request.singleLine ? newlineTokens(tokenizer) : new Set(),
    tokenizer,
    block: request.block ?? generation.block_length,
    threshold: request.threshold,
    runnersUp: request.runnersUp ?? 0,
    stops: request.stops ?? null,
  };
  const shares = request.width === undefined ? canvasShares : [1];
  const canvases = Array.from({ length: request.alternatives }, (_, index) => {
    const greedy = index < shares.length;
    const tokens = Math.ceil(width * (shares[index] ?? 1));
    return newCanvas(tokens, begun, rules, greedy ? 0 : request.temperature, new Random(request.seed, 'infill', index));
  });

  /** By width. */
  const gaps = new Map<number, Gap>();
  let [forwards, contextMilliseconds, denoiseMilliseconds] = [0, 0, 0];
  /** Fills canvases of one width together. */
  const denoise = async (batch: readonly OpenCanvas[]) => {
    await request.betweenSteps?.();
    const begin = performance.now();
    const { length } = (batch[0] as OpenCanvas).tokens;
    const gap = gaps.get(length) ?? (await openGap(model, context, length));
    gaps.set(length, gap);
    const read = performance.now();
    for (let open = batch; open.length > 0; open = open.filter(({ done }) => !done)) {
      await request.betweenSteps?.();
      // Whole blocks, so that there are few shapes and each has its program after the first completions.
      const from = Math.min(...open.map((canvas) => blockEnd(canvas.from, rules.block))) - rules.block;
      const to = Math.min(length, Math.max(...open.map((canvas) => blockEnd(canvas.from, rules.block))));
      const tokens = open.map((canvas) => canvas.tokens);
      const logits = await gap.logits(tokens, { from, to });
      forwards++;
      for (const [row, canvas] of open.entries()) {
        reveal(canvas, logits[row] as Float32Array, from, config.vocab_size, rules);
        canvas.done ||= isStopped(canvas, begun, rules);
        request.watch?.(canvases.indexOf(canvas), canvas, begun, model);
      }
    }
    contextMilliseconds += read - begin;
    denoiseMilliseconds += performance.now() - read;
  };
  const { isEnough } = request;
  for (const batch of isEnough ? canvases.map((canvas) => [canvas]) : ofOneWidth(canvases)) {
    await denoise(batch);
    const [made] = batch as [OpenCanvas];
    if (isEnough && made !== canvases.at(-1) && (await isEnough(finished(made, begun, rules)))) break;
  }
  return {
    alternatives: canvases.filter(({ done }) => done).map((canvas) => finished(canvas, begun, rules)),
    begun,
    contextTokens: context.prefix.length + context.suffix.length,
    forwards,
    contextMilliseconds,
    denoiseMilliseconds,
  };
}

function ofOneWidth(canvases: readonly OpenCanvas[]): OpenCanvas[][] {
  const widths = new Set(canvases.map(({ tokens }) => tokens.length));
  return [...widths].map((width) => canvases.filter(({ tokens }) => tokens.length === width));
}

/** Tokens of the widest canvas that a model fills a gap with. */
export const canvasWidth = ({ line_canvas = 32, canvas = 64 }: GenerationDefaults, singleLine: boolean): number =>
  singleLine ? line_canvas : canvas;

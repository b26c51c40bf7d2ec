import { assertDenoises, maskToken } from '../model/config.ts';
import { count } from '../platform/amounts.ts';
import { UsageError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import { type BlockLayout, type Canvas, type Denoised, newCanvas, resultOf } from './canvas.ts';
import { DecodingSession, type Denoiser } from './decoding-session.ts';
import { type DecodingHooks, fillCanvases, predictorOf } from './fill-canvases.ts';
import { type GapRules, hasFixedSteps, type RevealLimits, type RevealOrder } from './reveal-rules.ts';

/**
 * How a completion is unmasked. Its blocks are unmasked one after the other, from the left. The first block begins at the
 * completion's start. For models with block-causal attention it begins at the prompt's start, as in training, and the block length
 * is that of training unless `block` divides it.
 */
export interface DecodingOptions extends RevealLimits {
  /** The reveal rule; `reveal-rules.ts` describes each. */
  readonly order: RevealOrder;
  /** Tokens of the completion. */
  readonly length: number;
  /** Tokens of a block. */
  readonly block: number;
  /** Total number of steps, divided evenly among the blocks; used only by orders with fixed steps. */
  readonly steps: number;
  /** At 0 the most likely token is taken; above 0, tokens are drawn from softmax(logits / temperature). */
  readonly temperature: number;
  /**
   * `editor`: the completion is decoded as in an editor. Its first tokens spell the healed prefix, and it ends with the end of
   * the middle. Absent: all its tokens are predicted without constraints.
   */
  readonly infilling?: 'editor';
}

export interface DenoiseCall extends Pick<DecodingHooks, 'signal' | 'checkCancelled'> {
  readonly prompts: readonly ArrayLike<number>[];
  /** The tokens after each completion, for models that fill gaps; absent: none. */
  readonly suffixes?: readonly ArrayLike<number>[];
  /** One seed per prompt. A completion depends only on its prompt, its suffix, its seed and the options. */
  readonly seeds: readonly number[];
  readonly options: DecodingOptions;
  /** Steps after which a context that attends to the canvas is read again (`DecodingSession`); default: 1, every step. */
  readonly contextRefresh?: number;
  /** The rules of the gap that the completions fill, and the healed prefix of each completion (default: empty). */
  readonly gap?: { readonly rules: GapRules; readonly healed?: readonly string[] };
  /** Called after every step with the completions so far, in the order of the prompts. */
  readonly onStep?: (canvases: readonly Denoised[]) => void;
  /** Called after every step with the number of completions that are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Semi-autoregressive low-confidence decoding (LLaDA, arXiv 2502.09992, section 2.4, as evaluated by d1,
 * arXiv 2504.12216, and SPG, arXiv 2510.09541). All completions are denoised in one batch; completions that are done leave it.
 * Throws a `UsageError` if the options are invalid, and a `UserError` if the model does not denoise or a sequence exceeds the
 * model's maximum length.
 */
export async function denoise(
  model: Denoiser,
  {
    prompts,
    suffixes = [],
    seeds,
    options,
    contextRefresh = 1,
    gap,
    signal,
    checkCancelled,
    onStep,
    onProgress,
  }: DenoiseCall,
): Promise<Denoised[]> {
  checkDecoding(options);
  assertDenoises(model.config);
  const mask = maskToken(model.config);
  const { order, steps, threshold, factor, entropyBound, temperature } = options;
  const session = new DecodingSession(model, { block: options.block, refresh: contextRefresh });
  try {
    const canvases: Canvas[] = [];
    for (const [index, prompt] of prompts.entries()) {
      const context = await session.open({ prompt, suffix: suffixes[index] ?? [], width: options.length });
      const blocks = blocksOf(model, options.block, prompt.length);
      const random = new Random(seeds[index] as number, 'denoise');
      const healed = gap?.healed?.[index] ?? '';
      canvases.push(newCanvas({ context, width: options.length, mask, blocks, temperature, random, healed }));
    }
    const rules = { order, steps, threshold, factor, entropyBound, mask, ...(gap ? { gap: gap.rules } : {}) };
    await fillCanvases(canvases, predictorOf(session), rules, {
      ...(signal ? { signal } : {}),
      ...(checkCancelled ? { checkCancelled } : {}),
      onStep: () => {
        onStep?.(canvases.map(resultOf));
        onProgress?.(canvases.filter(({ done }) => done).length, canvases.length);
      },
    });
    return canvases.map(resultOf);
  } finally {
    session.dispose();
  }
}

/** The largest number of steps that the options allow. */
export const mostSteps = ({ order, length, steps }: DecodingOptions): number => (hasFixedSteps(order) ? steps : length);

/** Throws a `UsageError` if the options are invalid. */
export function checkDecoding(options: DecodingOptions): void {
  const { length, block, steps, order, threshold, factor = 1, entropyBound = 0, temperature } = options;
  const refuse = (reason: string) => {
    throw new UsageError(`Decoding ${reason}.`);
  };
  const blocks = Math.ceil(length / block);
  if (!(length >= 1 && block >= 1)) refuse(`${length} tokens in blocks of ${block} is not possible; give at least 1`);
  if (hasFixedSteps(order) && !(steps >= blocks))
    refuse(`${length} tokens in blocks of ${block} needs at least ${count(blocks, 'step')}, not ${steps}`);
  if (!(threshold > 0 && threshold <= 1)) refuse(`needs a threshold above 0 and at most 1, not ${threshold}`);
  if (!(factor > 0)) refuse(`needs a factor above 0, not ${factor}`);
  if (!(entropyBound >= 0)) refuse(`needs an entropy bound of at least 0, not ${entropyBound}`);
  if (!(temperature >= 0)) refuse(`needs a temperature of at least 0, not ${temperature}`);
}

/** The blocks of a completion after a prompt of `promptLength` tokens. */
export function blocksOf({ config }: Pick<Denoiser, 'config'>, block: number, promptLength: number): BlockLayout {
  const { attention, block_size: trained } = config;
  if (attention !== 'block-causal' || trained === undefined) return { length: block, offset: 0 };
  const length = trained % block !== 0 ? trained : block;
  return { length, offset: promptLength % length };
}

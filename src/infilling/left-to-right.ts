import { newCanvas } from '../diffusion/canvas.ts';
import { fillCanvases, type Predict } from '../diffusion/fill-canvases.ts';
import { canvasWidth } from '../diffusion/infill.ts';
import { type InfillRules, infillingOf, newlineTokens } from '../diffusion/infill-result.ts';
import { healedPrefix } from '../diffusion/token-healing.ts';
import type { GenerationDefaults } from '../model/generation.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { Random } from '../platform/random.ts';
import { type Completer, isSingleLine, shownAlternatives } from './infilling.ts';

/** Logits [vocabulary] of the next token for each of several partial middles of the same length. */
export type NextToken = (written: readonly (readonly number[])[]) => Promise<readonly Float32Array[]>;

/** The context of a gap that a model has read. */
export interface GapReading {
  readonly next: NextToken;
  /** Releases what the model keeps of the context. */
  dispose(): void;
}

/** A model that writes the middle of a gap token by token. */
export interface LeftToRightModel {
  readonly tokenizer: Tokenizer;
  /** The token that ends a middle, and the mask, which is never written; an id that no token has if there is no mask. */
  readonly end: number;
  readonly mask: number;
  /** Reads the text around a gap of at most `width` tokens, the end counted. */
  read(context: { readonly prefix: string; readonly suffix: string }, width: number): Promise<GapReading>;
}

export interface WritingRequest {
  /** The text that the first tokens must spell: the part of a word at the end of the prefix. */
  readonly healed: string;
  /** Tokens that are written at most, the end counted. */
  readonly width: number;
  /** Stop at the end of the first line. */
  readonly singleLine: boolean;
  /** Number of middles. The first is greedy, the others are sampled at `temperature`. */
  readonly alternatives: number;
  readonly temperature: number;
  readonly seed: number;
}

/**
 * Middles that follow the healed prefix, each up to the end that the model gave it. A canvas with blocks of one position is
 * filled token by token. If one line is asked for, all tokens with a line break are ways to end it.
 */
export async function writeMiddles(
  next: NextToken,
  { tokenizer, end, mask }: Omit<LeftToRightModel, 'read'>,
  { healed, width, singleLine, alternatives, temperature, seed }: WritingRequest,
): Promise<string[]> {
  const canvases = Array.from({ length: alternatives }, (_, index) =>
    newCanvas({
      context: null,
      width,
      mask,
      blocks: { length: 1, offset: 0 },
      temperature: index === 0 ? 0 : temperature,
      random: new Random(seed, 'left to right', index),
      healed,
    }),
  );
  const predict: Predict = async (masked) => {
    const logits = await next(masked.map(({ canvas: { tokens, forwards } }) => [...tokens.subarray(0, forwards)]));
    return logits.map((row) => [row]);
  };
  const lineEnds = singleLine ? newlineTokens(tokenizer) : new Set<number>();
  const rules: InfillRules = {
    order: 'confidence',
    steps: width,
    threshold: 1,
    mask,
    gap: { end, lineEnds, mergeLineEnds: singleLine, tokenizer },
  };
  await fillCanvases(canvases, predict, rules);
  return canvases.map((canvas) => infillingOf(canvas, healed, rules).text);
}

/** A model that writes from the left as a completer, in canvases of the width in `generation`; it heals broken words. */
export function leftToRightCompleter(model: LeftToRightModel, generation: GenerationDefaults): Completer {
  return async (item) => {
    const singleLine = isSingleLine(item);
    const width = canvasWidth(generation, singleLine);
    const healed = healedPrefix(model.tokenizer, item.prefix);
    const prefix = item.prefix.slice(0, item.prefix.length - healed.length);
    const gap = await model.read({ prefix, suffix: item.suffix }, width);
    try {
      return await writeMiddles(gap.next, model, { healed, width, singleLine, seed: 0, ...shownAlternatives });
    } finally {
      gap.dispose();
    }
  };
}

/** Bits of `tokens`, each predicted from those before it. */
export async function bitsFromTheLeft(next: NextToken, tokens: readonly number[]): Promise<number> {
  let bits = 0;
  for (const [position, token] of tokens.entries()) {
    const [logits] = await next([tokens.slice(0, position)]);
    bits += bitsOf(logits as Float32Array, token);
  }
  return bits;
}

/** Minus the binary logarithm of softmax(logits)[token], in double precision. */
export function bitsOf(logits: Float32Array, token: number): number {
  const peak = logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - peak), 0);
  return (Math.log(sum) + peak - (logits[token] as number)) / Math.LN2;
}

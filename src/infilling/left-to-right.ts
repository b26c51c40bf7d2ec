import { drawToken } from '../diffusion/denoise.ts';
import { canvasWidth } from '../diffusion/infill.ts';
import { constrainToPrefix, healedPrefix } from '../diffusion/token-healing.ts';
import type { GenerationDefaults } from '../model/generation.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { Random } from '../platform/random.ts';
import { type Completer, isSingleLine, shownAlternatives } from './infilling.ts';

/** Logits [vocabulary] of the next token for each of several partial middles of the same length. */
export type NextToken = (written: readonly (readonly number[])[]) => Promise<readonly Float32Array[]>;

/** A model that writes the middle of a gap token by token. */
export interface LeftToRightModel {
  readonly tokenizer: Tokenizer;
  /** The token that ends a middle, and the mask, which is never written. */
  readonly end: number;
  readonly mask: number;
  /** Encodes the context of a gap of at most `width` tokens, including the end. */
  read(context: { readonly prefix: string; readonly suffix: string }, width: number): Promise<NextToken>;
}

export interface WritingRequest {
  /** Text that the first tokens must spell out: the healed prefix. */
  readonly healedPrefix: string;
  /** Maximum number of tokens, including the end. */
  readonly width: number;
  /** Stop at the end of the first line. */
  readonly singleLine: boolean;
  /** Number of middles. The first is greedy, the others are sampled at `temperature`. */
  readonly alternatives: number;
  readonly temperature: number;
  readonly seed: number;
}

/** Writes middles without the healed prefix, each up to the end that the model chose. */
export async function writeMiddles(
  next: NextToken,
  { tokenizer, end, mask }: LeftToRightModel,
  request: WritingRequest,
): Promise<string[]> {
  const middles = Array.from({ length: request.alternatives }, (_, index) => ({
    tokens: [] as number[],
    toSpell: request.healedPrefix,
    done: false,
    temperature: index === 0 ? 0 : request.temperature,
    random: new Random(request.seed, 'left to right', index),
  }));
  for (let length = 0; length < request.width; length++) {
    const open = middles.filter(({ done }) => !done);
    if (open.length === 0) break;
    const logits = await next(open.map(({ tokens }) => tokens));
    for (const [row, middle] of open.entries()) {
      const free = logits[row] as Float32Array;
      const allowed = middle.toSpell
        ? constrainToPrefix(free, middle.toSpell, tokenizer)
        : request.singleLine
          ? lineEndsAsEnd(free, tokenizer, end)
          : free;
      const token = drawToken(allowed, middle.temperature, mask, middle.random);
      middle.done = token === end;
      if (middle.done) continue;
      middle.tokens.push(token);
      middle.toSpell = middle.toSpell.slice((tokenizer.texts[token] as string).length);
    }
  }
  return middles.map(({ tokens }) => {
    const text = tokenizer.decode(tokens).slice(request.healedPrefix.length);
    return request.singleLine ? (text.split(/\r?\n/, 1)[0] as string) : text;
  });
}

/**
 * A completer for a model that writes from left to right. Widths come from `generation`, and token healing is
 * applied.
 */
export function leftToRightCompleter(model: LeftToRightModel, generation: GenerationDefaults): Completer {
  return async (item) => {
    const singleLine = isSingleLine(item);
    const width = canvasWidth(generation, singleLine);
    const healed = healedPrefix(model.tokenizer, item.prefix);
    const prefix = item.prefix.slice(0, item.prefix.length - healed.length);
    const next = await model.read({ prefix, suffix: item.suffix }, width);
    return writeMiddles(next, model, { healedPrefix: healed, width, singleLine, seed: 0, ...shownAlternatives });
  };
}

/**
 * In a single-line completion, every token with a line break ends it, so their probabilities are added to the end's.
 */
function lineEndsAsEnd(logits: Float32Array, { texts }: Tokenizer, end: number): Float32Array {
  const ends = texts.flatMap((text, id) => (id === end || text.includes('\n') ? [id] : []));
  const merged = logits.slice();
  for (const id of ends) merged[id] = Number.NEGATIVE_INFINITY;
  const peak = Math.max(...ends.map((id) => logits[id] as number));
  const sum = ends.reduce((total, id) => total + Math.exp((logits[id] as number) - peak), 0);
  merged[end] = peak + Math.log(sum);
  return merged;
}

/** Bits of `tokens`, each predicted from those before it. */
export async function bitsFromTheLeft(next: NextToken, tokens: readonly number[]): Promise<number> {
  let bits = 0;
  for (const [place, token] of tokens.entries()) {
    const [logits] = await next([tokens.slice(0, place)]);
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

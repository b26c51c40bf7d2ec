import { drawToken } from '../diffusion/denoise.ts';
import { canvasWidth } from '../diffusion/infill.ts';
import { begunPiece, spellingOut } from '../diffusion/token-healing.ts';
import type { GenerationDefaults } from '../model/generation.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { Random } from '../platform/random.ts';
import { type Completer, isSingleLine, shownAlternatives } from './infilling.ts';
import { asOneEnd } from './merged-ends.ts';

/** Logits [vocabulary] of what comes behind each of several beginnings of a middle, all of one length. */
export type NextToken = (written: readonly (readonly number[])[]) => Promise<readonly Float32Array[]>;

/** A model that writes the middle of a gap token by token. */
export interface LeftToRightModel {
  readonly tokenizer: Tokenizer;
  /** The token behind a middle, and one that is never written; undefined: there is none such. */
  readonly end: number;
  readonly mask: number | undefined;
  /** Reads what stands around a gap that is at most `width` tokens long, the end counted. */
  read(context: { readonly prefix: string; readonly suffix: string }, width: number): Promise<NextToken>;
}

export interface WritingRequest {
  /** What the first tokens have to spell out: a word under way. */
  readonly begun: string;
  /** Tokens that are written at most, the end counted. */
  readonly width: number;
  /** Stop at the end of the first line. */
  readonly singleLine: boolean;
  /** Middles that are written; the first is greedy, the others are drawn at `temperature`. */
  readonly alternatives: number;
  readonly temperature: number;
  readonly seed: number;
}

/** Middles behind what was begun, each up to the end that the model gave it. */
export async function writeMiddles(
  next: NextToken,
  { tokenizer, end, mask }: LeftToRightModel,
  request: WritingRequest,
): Promise<string[]> {
  const middles = Array.from({ length: request.alternatives }, (_, index) => ({
    tokens: [] as number[],
    begun: request.begun,
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
      const allowed = middle.begun
        ? spellingOut(free, middle.begun, tokenizer)
        : request.singleLine
          ? lineEndsAsEnd(free, tokenizer, end)
          : free;
      const token = drawToken(allowed, middle.temperature, mask, middle.random);
      middle.done = token === end;
      if (middle.done) continue;
      middle.tokens.push(token);
      middle.begun = middle.begun.slice((tokenizer.texts[token] as string).length);
    }
  }
  return middles.map(({ tokens }) => {
    const text = tokenizer.decode(tokens).slice(request.begun.length);
    return request.singleLine ? (text.split(/\r?\n/, 1)[0] as string) : text;
  });
}

/** A model that writes from the left as a completer, in canvases as wide as `generation` says; it takes up a word under way. */
export function leftToRightCompleter(model: LeftToRightModel, generation: GenerationDefaults): Completer {
  return async (item) => {
    const singleLine = isSingleLine(item);
    const width = canvasWidth(generation, singleLine);
    const begun = begunPiece(model.tokenizer, item.prefix);
    const prefix = item.prefix.slice(0, item.prefix.length - begun.length);
    const next = await model.read({ prefix, suffix: item.suffix }, width);
    return writeMiddles(next, model, { begun, width, singleLine, seed: 0, ...shownAlternatives });
  };
}

/** Where one line is wanted, all tokens with a line break are ways to end it: their probability is the end's. */
function lineEndsAsEnd(logits: Float32Array, { texts }: Tokenizer, end: number): Float32Array {
  return asOneEnd(logits, [end, ...texts.flatMap((text, id) => (id !== end && text.includes('\n') ? [id] : []))]);
}

/** Bits of `tokens`, one after the other. */
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

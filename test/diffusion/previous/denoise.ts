import { maskToken } from '../../../src/model/config.ts';
import type { Query } from '../../../src/model/query.ts';
import { UsageError, UserError } from '../../../src/platform/errors.ts';
import { Random } from '../../../src/platform/random.ts';

/** What decoding needs of a model. */
export interface Denoiser {
  readonly config: {
    readonly mask_token_id?: number | undefined;
    readonly eos_token_id: number;
    readonly vocab_size: number;
    readonly attention?: string;
    readonly block_size?: number | undefined;
  };
  /** Logits at masked places, for many passes over rows that fill in place. */
  stepwise(): (queries: readonly Query[]) => Promise<Float32Array[]>;
}

/**
 * How a completion is unmasked, block after block from the left. Blocks are counted from the completion's start; for models
 * whose attention goes by blocks, from the text's, as theirs are, and are theirs where `block` is no part of them.
 *
 * - `confidence`: a fixed number of steps; each reveals the tokens the model is surest of (LLaDA, arXiv 2502.09992).
 * - `random`: the same number of steps, in random order.
 * - `threshold`: each step reveals every token surer than `threshold`, at least one (Fast-dLLM, arXiv 2505.22618).
 */
export interface DecodingOptions {
  readonly order: 'confidence' | 'random' | 'threshold';
  /** Tokens of the completion. */
  readonly length: number;
  readonly block: number;
  /** Steps in all, shared evenly among the blocks; not used by `threshold`. */
  readonly steps: number;
  readonly threshold: number;
  /** 0 takes the likeliest token; above, tokens are drawn from softmax(logits / temperature). */
  readonly temperature: number;
}

/** One completion and how it came about; `frames` are not kept, they follow from `revealedAt`. */
export interface Denoised {
  readonly tokens: Int32Array;
  /** The step (from 0) at which each token was revealed. */
  readonly revealedAt: Int32Array;
  /** The model's probability of each token when it was revealed, without temperature. */
  readonly confidence: Float32Array;
  /** Entropy, in nats, of the model's prediction of each token when it was revealed, without temperature. */
  readonly entropy: Float32Array;
  /** Forward passes that this completion took. */
  readonly forwards: number;
}

/** A token that was not taken, and the model's probability of it. */
export interface RunnerUp {
  readonly token: number;
  readonly probability: number;
}

/** A canvas to be filled: the mask tokens of `tokens` from place `prompt` to `end` are to be revealed. */
interface Canvas {
  readonly tokens: Int32Array;
  readonly prompt: number;
  /** The place behind its last one. */
  readonly end: number;
  readonly random: Random;
  readonly revealedAt: Int32Array;
  readonly confidence: Float32Array;
  readonly entropy: Float32Array;
  /** Tokens of a block, and how many of the first one's are the prompt's. */
  readonly blockLength: number;
  readonly ahead: number;
  block: number;
  /** Steps made in the present block, and what each of them is to reveal. */
  step: number;
  quota: number[];
  forwards: number;
}

export interface DenoiseCall {
  readonly prompts: readonly ArrayLike<number>[];
  /** What stands behind each completion, for models that fill gaps; absent: nothing. */
  readonly suffixes?: readonly ArrayLike<number>[];
  /** One seed per prompt: a completion follows from its prompt, its seed and the options alone. */
  readonly seeds: readonly number[];
  readonly options: DecodingOptions;
  /** Sees the completions so far, after every step; for who watches. */
  readonly watch?: (canvases: readonly Denoised[]) => void;
  /** Checked between two steps; throws to stop. */
  readonly checkCancelled?: () => void;
}

/**
 * Semi-autoregressive low-confidence decoding (LLaDA, arXiv 2502.09992, section 2.4, as evaluated by d1,
 * arXiv 2504.12216, and SPG, arXiv 2510.09541). Prompts are denoised in one batch; one that is finished leaves it.
 * Revealed tokens are never changed.
 */
export async function denoise(
  model: Denoiser,
  { prompts, suffixes = [], seeds, options, watch, checkCancelled }: DenoiseCall,
): Promise<Denoised[]> {
  checkDecoding(options);
  const { attention, block_size: own } = model.config;
  const mask = maskToken(model.config);
  const byBlocks = attention === 'block-causal' && own !== undefined;
  const blockLength = byBlocks && own % options.block !== 0 ? own : options.block;
  const canvases = prompts.map((prompt, index): Canvas => {
    const suffix = suffixes[index] ?? [];
    const end = prompt.length + options.length;
    const tokens = new Int32Array(end + suffix.length).fill(mask);
    tokens.set(prompt);
    tokens.set(suffix, end);
    return {
      tokens,
      prompt: prompt.length,
      end,
      random: new Random(seeds[index] as number, 'denoise'),
      revealedAt: new Int32Array(options.length).fill(-1),
      confidence: new Float32Array(options.length),
      entropy: new Float32Array(options.length),
      blockLength,
      ahead: byBlocks ? prompt.length % blockLength : 0,
      block: -1,
      step: 0,
      quota: [],
      forwards: 0,
    };
  });
  for (const canvas of canvases) enterNextBlock(canvas, options);
  const predict = model.stepwise();
  let active = canvases;
  while (active.length > 0) {
    checkCancelled?.();
    const queries = active.map((canvas) => ({
      tokens: canvas.tokens,
      places: maskedPlaces(canvas, options, mask),
      canvas: canvas.prompt,
      suffix: canvas.tokens.length - canvas.end,
    }));
    const logits = await predict(queries);
    active.forEach((canvas, row) => {
      reveal(
        canvas,
        (queries[row] as Query).places,
        logits[row] as Float32Array,
        model.config.vocab_size,
        mask,
        options,
      );
      while (isOpen(canvas, options) && maskedPlaces(canvas, options, mask).length === 0)
        enterNextBlock(canvas, options);
    });
    watch?.(canvases.map(finished));
    active = active.filter((canvas) => isOpen(canvas, options));
  }
  return canvases.map(finished);
}

/** Throws a `UsageError` where no completion can be decoded with these options. */
export function checkDecoding({ length, block, steps, order, threshold, temperature }: DecodingOptions): void {
  const refuse = (why: string) => {
    throw new UsageError(`Decoding ${why}.`);
  };
  const blocks = Math.ceil(length / block);
  if (!(length >= 1 && block >= 1)) refuse(`${length} tokens in blocks of ${block} is not possible; give at least 1`);
  if (order !== 'threshold' && !(steps >= blocks))
    refuse(`${length} tokens in blocks of ${block} needs at least ${blocks} steps, not ${steps}`);
  if (!(threshold > 0 && threshold <= 1)) refuse(`needs a threshold above 0 and at most 1, not ${threshold}`);
  if (!(temperature >= 0)) refuse(`needs a temperature of at least 0, not ${temperature}`);
}

const finished = ({ tokens, prompt, end, revealedAt, confidence, entropy, forwards }: Canvas): Denoised => ({
  tokens: tokens.slice(prompt, end),
  revealedAt: revealedAt.slice(),
  confidence: confidence.slice(),
  entropy: entropy.slice(),
  forwards,
});

/** Places of the completion that are in the present block, [from, to). */
function blockBounds({ block: index, blockLength, ahead }: Canvas, { length }: DecodingOptions): [number, number] {
  return [Math.max(0, index * blockLength - ahead), Math.min((index + 1) * blockLength - ahead, length)];
}

/** Whether the present block is not yet behind the completion. */
const isOpen = (canvas: Canvas, options: DecodingOptions): boolean => blockBounds(canvas, options)[0] < options.length;

function enterNextBlock(canvas: Canvas, options: DecodingOptions): void {
  const { length, steps } = options;
  canvas.block++;
  canvas.step = 0;
  const blocks = Math.ceil((length + canvas.ahead) / canvas.blockLength);
  const [from, to] = blockBounds(canvas, options);
  const count = to - from;
  // The first blocks take the steps that do not divide evenly, and the first steps the tokens that do not.
  const share = Math.max(1, Math.floor(steps / blocks) + Number(canvas.block < steps % blocks));
  const stepsHere = Math.min(count, share);
  canvas.quota = Array.from(
    { length: stepsHere },
    (_, step) => Math.floor(count / stepsHere) + Number(step < count % stepsHere),
  );
}

function maskedPlaces(canvas: Canvas, options: DecodingOptions, mask: number): number[] {
  const { tokens, prompt } = canvas;
  const [from, to] = blockBounds(canvas, options);
  const places: number[] = [];
  for (let place = prompt + from; place < prompt + to; place++) if (tokens[place] === mask) places.push(place);
  return places;
}

function reveal(
  canvas: Canvas,
  places: readonly number[],
  logits: Float32Array,
  vocabulary: number,
  mask: number,
  { order, threshold, temperature }: DecodingOptions,
): void {
  const guesses = places.map((place, index) => {
    const row = logits.subarray(index * vocabulary, (index + 1) * vocabulary);
    const token = drawToken(row, temperature, mask, canvas.random);
    const confidence = probability(row, token, mask);
    if (Number.isNaN(confidence))
      throw new UserError(
        'The model gives logits that are not finite, so its weights are lost; take an earlier checkpoint.',
      );
    return { place, token, confidence };
  });
  const rank =
    order === 'random' ? guesses.map(() => canvas.random.uniform()) : guesses.map(({ confidence }) => confidence);
  const surest = guesses.map((_, index) => index).sort((a, b) => (rank[b] as number) - (rank[a] as number) || a - b);
  const count =
    order === 'threshold'
      ? Math.max(1, guesses.filter(({ confidence }) => confidence > threshold).length)
      : (canvas.quota[canvas.step] as number);
  for (const index of surest.slice(0, count)) {
    const { place, token, confidence } = guesses[index] as (typeof guesses)[number];
    canvas.tokens[place] = token;
    canvas.revealedAt[place - canvas.prompt] = canvas.forwards;
    canvas.confidence[place - canvas.prompt] = confidence;
    canvas.entropy[place - canvas.prompt] = entropyOf(
      logits.subarray(index * vocabulary, (index + 1) * vocabulary),
      mask,
    );
  }
  canvas.step++;
  canvas.forwards++;
}

/**
 * A token drawn from softmax(logits / temperature) by inversion, in double precision; the likeliest at temperature 0.
 * The mask itself is never drawn.
 */
export function drawToken(logits: Float32Array, temperature: number, mask: number, random: Random): number {
  const likeliest = likeliestToken(logits, mask);
  if (temperature === 0) return likeliest;
  const peak = logits[likeliest] as number;
  const upTo = new Float64Array(logits.length);
  let sum = 0;
  for (let token = 0; token < logits.length; token++) {
    if (token !== mask) sum += Math.exp(((logits[token] as number) - peak) / temperature);
    upTo[token] = sum;
  }
  const drawn = random.uniform() * sum;
  const token = upTo.findIndex((reached) => reached > drawn);
  // Logits that are not finite have no distribution; who draws sees that by the token's probability.
  return token === -1 ? likeliest : token;
}

function likeliestToken(logits: Float32Array, mask: number): number {
  let best = mask === 0 ? 1 : 0;
  for (let token = best + 1; token < logits.length; token++)
    if (token !== mask && (logits[token] as number) > (logits[best] as number)) best = token;
  return best;
}

/** The softmax's probability of a token, the mask left out. */
export function probability(logits: Float32Array, token: number, mask: number): number {
  const reference = logits[token] as number;
  let sum = 0;
  for (let other = 0; other < logits.length; other++)
    if (other !== mask) sum += Math.exp((logits[other] as number) - reference);
  return 1 / sum;
}

/** Entropy of the softmax in nats, the mask left out. */
export function entropyOf(logits: Float32Array, mask: number): number {
  let peak = Number.NEGATIVE_INFINITY;
  for (let token = 0; token < logits.length; token++)
    if (token !== mask) peak = Math.max(peak, logits[token] as number);
  let sum = 0;
  let weighted = 0;
  for (let token = 0; token < logits.length; token++) {
    if (token === mask) continue;
    const lead = (logits[token] as number) - peak;
    sum += Math.exp(lead);
    weighted += lead * Math.exp(lead);
  }
  return Math.log(sum) - weighted / sum;
}

/** The `count` likeliest tokens beside the one that was taken, the mask left out, likeliest first. */
export function runnersUp(logits: Float32Array, taken: number, mask: number, count: number): RunnerUp[] {
  const best: number[] = [];
  for (let token = 0; token < logits.length; token++) {
    if (token === taken || token === mask) continue;
    const logit = logits[token] as number;
    if (best.length === count && !(logit > (logits[best.at(-1) as number] as number))) continue;
    const place = best.findIndex((other) => logit > (logits[other] as number));
    best.splice(place === -1 ? best.length : place, 0, token);
    if (best.length > count) best.pop();
  }
  return best.map((token) => ({ token, probability: probability(logits, token, mask) }));
}

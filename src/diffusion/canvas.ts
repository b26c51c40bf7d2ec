import type { Random } from '../platform/random.ts';
import type { SessionContext } from './decoding-session.ts';
import type { RunnerUp } from './token-distribution.ts';

/** A token that a denoising step predicted and revealed. */
export interface TokenPrediction {
  readonly position: number;
  readonly token: number;
  /** The denoising step, from 0. */
  readonly revealedAt: number;
  /** Entropy of the prediction, in nats. */
  readonly entropy: number;
}

/** The result of decoding a canvas. All lists have one entry per position of the canvas. */
export interface Denoised {
  /** Token ids; the mask token at positions that were not revealed because decoding was stopped. */
  readonly tokens: Int32Array;
  /** The denoising step (from 0) that revealed each token; -1 if the position is masked. */
  readonly revealedAt: Int32Array;
  /** The model's probability of each token when it was revealed, without temperature. */
  readonly confidence: Float32Array;
  /** Entropy, in nats, of the model's prediction of each token when it was revealed, without temperature. */
  readonly entropy: Float32Array;
  /** Forward passes, one per denoising step. */
  readonly forwards: number;
  /**
   * Tokens that were replaced after they were revealed, because the end of the middle was revealed to their left later and nothing
   * follows it; default: none.
   */
  readonly overwritten?: readonly TokenPrediction[];
  /** The most likely other tokens, if the caller requested them; null at positions without a prediction. */
  readonly runnersUp?: readonly (readonly RunnerUp[] | null)[];
}

/** How a canvas is divided into blocks, which are unmasked one after the other, from the left. */
export interface BlockLayout {
  /** Number of positions in a block. */
  readonly length: number;
  /** Number of tokens at the start of the first block that belong to the prompt. */
  readonly offset: number;
}

/** The positions between a prompt and a suffix while they are revealed, step by step. */
export interface Canvas extends Denoised {
  /** The prompt and the suffix, as a handle of the session that predicts this canvas; null if no session does. */
  readonly context: SessionContext | null;
  readonly blocks: BlockLayout;
  /** At 0 the most likely token is taken; above 0, tokens are drawn from softmax(logits / temperature). */
  readonly temperature: number;
  readonly random: Random;
  readonly runnersUp?: (readonly RunnerUp[] | null)[];
  readonly overwritten: TokenPrediction[];
  forwards: number;
  /** Whether decoding of this canvas has ended. */
  done: boolean;
  /** Index of the current block, and the number of steps made in it. */
  block: number;
  stepInBlock: number;
  /**
   * The part of the healed prefix that the next tokens must still spell, and the number of tokens so far that lie entirely within
   * the healed prefix.
   */
  unspelled: string;
  spelledTokens: number;
}

/** The properties of a new canvas. */
export interface NewCanvas extends Pick<Canvas, 'context' | 'blocks' | 'temperature' | 'random'> {
  readonly width: number;
  readonly mask: number;
  /** The healed prefix, which the first tokens must spell; default: empty. */
  readonly healed?: string;
  /** Whether to record `runnersUp`. */
  readonly keepRunnersUp?: boolean;
}

/** A canvas of `width` masks. */
export function newCanvas({ width, mask, healed = '', keepRunnersUp = false, ...fixed }: NewCanvas): Canvas {
  return {
    ...fixed,
    tokens: new Int32Array(width).fill(mask),
    revealedAt: new Int32Array(width).fill(-1),
    confidence: new Float32Array(width),
    entropy: new Float32Array(width),
    ...(keepRunnersUp ? { runnersUp: Array.from({ length: width }, () => null) } : {}),
    overwritten: [],
    forwards: 0,
    done: false,
    block: 0,
    stepInBlock: 0,
    unspelled: healed,
    spelledTokens: 0,
  };
}

/** The masked positions of the current block, from the left. */
export function maskedPositions({ tokens, blocks: { length, offset }, block }: Canvas, mask: number): number[] {
  const positions: number[] = [];
  const end = Math.min((block + 1) * length - offset, tokens.length);
  for (let position = Math.max(0, block * length - offset); position < end; position++)
    if (tokens[position] === mask) positions.push(position);
  return positions;
}

/** Number of blocks that contain at least one position of the canvas. */
export const blockCount = ({ tokens, blocks: { length, offset } }: Canvas): number =>
  Math.ceil((tokens.length + offset) / length);

/** Counts a step, and makes the first block that contains a mask the current one. */
export function endStep(canvas: Canvas, mask: number): void {
  canvas.forwards++;
  canvas.stepInBlock++;
  const next = canvas.tokens.indexOf(mask);
  canvas.done = next === -1;
  const block = Math.floor((next + canvas.blocks.offset) / canvas.blocks.length);
  if (canvas.done || block === canvas.block) return;
  canvas.block = block;
  canvas.stepInBlock = 0;
}

/** A copy of the canvas's current state, which later steps do not change. */
export function resultOf({
  tokens,
  revealedAt,
  confidence,
  entropy,
  forwards,
  overwritten,
  runnersUp,
}: Canvas): Denoised {
  return {
    tokens: tokens.slice(),
    revealedAt: revealedAt.slice(),
    confidence: confidence.slice(),
    entropy: entropy.slice(),
    forwards,
    ...(overwritten.length > 0 ? { overwritten: [...overwritten] } : {}),
    ...(runnersUp ? { runnersUp: runnersUp.slice() } : {}),
  };
}

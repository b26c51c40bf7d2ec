import type { Random } from '../platform/random.ts';
import type { SessionText } from './decoding-session.ts';
import type { RunnerUp } from './token-distribution.ts';

/** A token after the end of a middle, and the step that revealed it before the end was. */
export interface Overwritten {
  readonly position: number;
  readonly token: number;
  readonly revealedAt: number;
}

/** What decoding made of a canvas. All lists have one entry per position of the canvas. */
export interface Denoised {
  /** Token ids; the mask where decoding was stopped before the position was revealed. */
  readonly tokens: Int32Array;
  /** The step (from 0) that revealed each token; -1 where it is masked. */
  readonly revealedAt: Int32Array;
  /** The model's probability of each token when it was revealed, without temperature. */
  readonly confidence: Float32Array;
  /** Entropy, in nats, of the model's prediction of each token when it was revealed, without temperature. */
  readonly entropy: Float32Array;
  /** Forward passes, which is the number of steps. */
  readonly forwards: number;
  /** Tokens that were revealed and then replaced, because the end of the middle was revealed to their left; default: none. */
  readonly overwritten?: readonly Overwritten[];
  /** The likeliest other tokens, if they were asked for; null where nothing was predicted. */
  readonly runnersUp?: readonly (readonly RunnerUp[] | null)[];
}

/** Blocks of a canvas are unmasked one after the other, from the left. */
export interface BlockLayout {
  /** Positions of a block. */
  readonly length: number;
  /** Tokens of the first block that belong to the prompt. */
  readonly offset: number;
}

/** Positions between a prompt and a suffix that are being revealed, step by step. */
export interface Canvas extends Denoised {
  /** The prompt and the suffix, in the session that predicts this canvas. */
  readonly text: SessionText | null;
  readonly blocks: BlockLayout;
  /** 0 takes the likeliest token; above, tokens are drawn from softmax(logits / temperature). */
  readonly temperature: number;
  readonly random: Random;
  readonly runnersUp?: (readonly RunnerUp[] | null)[];
  readonly overwritten: Overwritten[];
  forwards: number;
  /** Nothing more will be revealed. */
  done: boolean;
  /** The block that is being revealed, and the steps made in it. */
  block: number;
  stepInBlock: number;
  /** What the next tokens must spell (token healing), and how many tokens spelled it so far without reaching past it. */
  unspelled: string;
  spelledTokens: number;
}

export interface NewCanvas extends Pick<Canvas, 'text' | 'blocks' | 'temperature' | 'random'> {
  readonly width: number;
  readonly mask: number;
  /** What the first tokens must spell; default: nothing. */
  readonly healed?: string;
  /** Whether runners-up are kept. */
  readonly keepRunnersUp?: boolean;
}

/** A canvas of `width` masks. */
export function newCanvas({ width, mask, healed = '', keepRunnersUp = false, ...fixed }: NewCanvas): Canvas {
  const canvas: Canvas = {
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
  return canvas;
}

/** The masked positions of the block that is being revealed, from the left. */
export function openPositions({ tokens, blocks: { length, offset }, block }: Canvas, mask: number): number[] {
  const positions: number[] = [];
  const end = Math.min((block + 1) * length - offset, tokens.length);
  for (let position = Math.max(0, block * length - offset); position < end; position++)
    if (tokens[position] === mask) positions.push(position);
  return positions;
}

/** Blocks that the canvas reaches into. */
export const blockCount = ({ tokens, blocks: { length, offset } }: Canvas): number =>
  Math.ceil((tokens.length + offset) / length);

/** Counts a step and moves on to the first block that holds a mask. */
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

/** A canvas as it is now; later steps do not change the result. */
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

import type { Random } from '../../platform/random.ts';
import type { MaskingTokens } from '../../training/masked-diffusion-loss.ts';
import type { Batch, Loss } from '../../training/trainer.ts';
import type { TuningSettings } from '../settings.ts';

/** A completion that the policy wrote, what it earned, and how it compares with its group. */
export interface ScoredCompletion {
  readonly prompt: Int32Array;
  /** All tokens of the canvas behind the prompt, those after the end of text too. */
  readonly completion: Int32Array;
  /** Tokens up to and with the first end of text; all of them where there is none. */
  readonly length: number;
  /** Reward minus the mean of its group. */
  readonly advantage: number;
}

/** A mask per Monte-Carlo sample, over prompt and completion: 1 where the token is masked. */
export type MaskSamples = readonly Uint8Array[];

/** What an update says of each completion, in the order given; null where the method left it out. */
export interface CompletionEstimate {
  readonly elbo: number;
  readonly eubo: number;
}

/** A policy-gradient method: from scored completions to the batches of one update. */
export interface Objective {
  readonly name: string;
  readonly paper: string;
  readonly description: string;
  readonly loss: Loss;
  /** The batches of one inner update; fresh masks are drawn from `random`. Empty where no completion has weight. */
  batches(completions: readonly ScoredCompletion[], settings: TuningSettings, tokens: MaskingTokens, random: Random): Batch[];
}

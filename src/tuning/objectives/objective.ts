import type { Random } from '../../platform/random.ts';
import type { MaskingTokens } from '../../training/masked-diffusion-loss.ts';
import type { Batch, Loss, StepResult } from '../../training/trainer.ts';
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

/** The batches of one update, and what to log of it once the step is made. */
export interface Update {
  /** Empty where no completion has any weight. */
  readonly batches: readonly Batch[];
  /** Numbers for the event log, means over the completions that the update used. */
  metrics(result: StepResult): Record<string, number>;
}

/** An update from given masks, and the log-likelihood estimate that stands for each completion in its loss. */
export interface MaskedUpdate {
  readonly batch: Batch;
  logp(metrics: StepResult['metrics'][number]): number[];
}

/** A policy-gradient method: from scored completions to the batches of an update. */
export interface Objective {
  readonly name: string;
  readonly paper: string;
  readonly description: string;
  readonly loss: Loss;
  /** The batch of one update from given masks, to check the method by hand; `masks[j][s]` belongs to completion j. */
  fromMasks(
    completions: readonly ScoredCompletion[],
    masks: readonly MaskSamples[],
    settings: TuningSettings,
    tokens: MaskingTokens,
  ): MaskedUpdate;
  /** One inner update; fresh masks are drawn from `random`. */
  update(
    completions: readonly ScoredCompletion[],
    settings: TuningSettings,
    tokens: MaskingTokens,
    random: Random,
  ): Update;
}

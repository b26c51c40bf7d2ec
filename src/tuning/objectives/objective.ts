import type { HostTensor } from '../../graph/tensor.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import type { Random } from '../../platform/random.ts';
import type { MaskingTokens } from '../../training/masked-diffusion-loss.ts';
import type { Batch, Loss, StepResult } from '../../training/trainer.ts';
import type { InfillContext } from '../likelihoods/canvas-batch.ts';
import type { Rollout, RolloutJob } from '../rollouts.ts';
import type { FullTuningSettings, TuningSettings } from '../settings.ts';

/** A completion that the policy wrote, what it earned, and how it compares with its group. */
export interface ScoredCompletion extends InfillContext {
  /** All tokens of the canvas behind the prompt, those after the end of text too. */
  readonly completion: Int32Array;
  /** Tokens up to and with the first end of text; all of them where there is none. */
  readonly length: number;
  /** Reward minus the mean of its group. */
  readonly advantage: number;
}

/** A scored completion with all that is known of how it came about. */
export interface ScoredRollout extends ScoredCompletion {
  readonly rollout: Rollout;
  readonly reward: number;
  /** Number of its group; the completions of a group stand side by side. */
  readonly group: number;
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

/** A policy-gradient method. What it carries in the course of a run is in the `Method` that `begin` makes. */
export interface Objective {
  readonly name: string;
  readonly paper: string;
  readonly description: string;
  /** The loss of batches that bring none of their own. */
  readonly loss: Loss;
  /** Whether `kl`, `clip_low` and `clip_high` mean something to it. */
  readonly isClipped?: boolean;
  /** Throws a `UsageError` where the method cannot work with these settings or this model; called before the first step. */
  check?(settings: FullTuningSettings, config: ModelConfig): void;
  begin(run: MethodRun): Method;
  /**
   * The batch of one update from given masks, to check the method by hand; `masks[j][s]` belongs to completion j.
   * Absent: the method is not a function of masks and rewards alone.
   */
  fromMasks?(
    completions: readonly ScoredCompletion[],
    masks: readonly MaskSamples[],
    settings: TuningSettings,
    tokens: MaskingTokens,
  ): MaskedUpdate;
}

/** What a method sees of the run that it is part of. */
export interface MethodRun {
  readonly model: LanguageModel;
  readonly settings: TuningSettings;
  readonly tokens: MaskingTokens;
  /** What the loss of a batch logs under the present policy, without an update. */
  evaluate(batch: Batch): Promise<Record<string, HostTensor>>;
  /** What other completions of rolled out problems would have earned. */
  reward(asked: readonly { readonly job: RolloutJob; readonly completion: Int32Array }[]): Promise<number[]>;
  /** The text that solves a problem; null where nobody knows it. */
  solution(job: RolloutJob): string | null;
  /** Makes the optimiser forget: moments, and its place in the learning rate's schedule. */
  restartOptimizer(): Promise<void>;
  /** What `Method.state` gave when the checkpoint was written from which the run goes on; empty in a new run. */
  readonly restored: ReadonlyMap<string, HostTensor>;
}

/** A method at work in a run. */
export interface Method {
  /** Writes the completions of a step; absent: the present policy does. */
  rollOut?(jobs: readonly RolloutJob[], step: number): Promise<Rollout[]>;
  /** Takes what the updates on a step's rollouts need of the policies as they are before the first of them. */
  prepare(collected: Collected): Promise<Round>;
  /** What must survive a kill; see `MethodRun.restored`. */
  state?(): Promise<ReadonlyMap<string, HostTensor>>;
  dispose?(): Promise<void>;
}

/** The rollouts of a step. */
export interface Collected {
  /** Counts from 1. */
  readonly step: number;
  readonly completions: readonly ScoredRollout[];
  /** A random stream of this step and name. */
  random(...path: readonly (string | number)[]): Random;
}

/** The updates on one set of rollouts. */
export interface Round {
  /** The batches of inner update number `inner` (from 0), under the policy as the updates before have left it. */
  update(inner: number): Promise<Update>;
}

/** A method whose updates need nothing but the rollouts and fresh masks. */
export function memoryless(update: (completions: readonly ScoredRollout[], random: Random) => Update): Method {
  return {
    prepare: async ({ completions, random }) => ({
      update: async (inner) => update(completions, random('masks', inner)),
    }),
  };
}

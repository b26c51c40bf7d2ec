import type { HostTensor } from '../../graph/tensor.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import type { Random } from '../../platform/random.ts';
import type { MaskingTokens } from '../../training/masked-diffusion-loss.ts';
import type { Batch, Loss, StepResult } from '../../training/trainer.ts';
import type { InfillContext } from '../likelihoods/canvas-batch.ts';
import type { Rollout, RolloutHooks, RolloutJob } from '../rollouts.ts';
import type { FullTuningSettings, TuningSettings } from '../settings.ts';

/** A completion of the policy with its advantage. */
export interface ScoredCompletion extends InfillContext {
  /** All tokens of the canvas, including those after the end of text. */
  readonly tokens: Int32Array;
  /** Number of tokens up to and including the first end of text; all tokens if there is none. */
  readonly length: number;
  /** Reward minus the mean of its group. */
  readonly advantage: number;
}

/** A scored completion with the record of its rollout. */
export interface ScoredRollout extends ScoredCompletion {
  readonly rollout: Rollout;
  readonly reward: number;
  /** Index of its group. The completions of a group are consecutive. */
  readonly group: number;
}

/** A mask per Monte-Carlo sample, over prompt and completion: 1 where the token is masked. */
export type MaskSamples = readonly Uint8Array[];

/** The batches of one update, and its metrics. */
export interface Update {
  /** Empty if no completion has any weight. */
  readonly batches: readonly Batch[];
  /** Metrics for the event log: means over the completions used in the update. */
  metrics(result: StepResult): Record<string, number>;
}

/** An update with explicit masks, and each completion's log-likelihood estimate in its loss. */
export interface MaskedUpdate {
  readonly batch: Batch;
  logp(metrics: StepResult['metrics'][number]): number[];
}

/** A policy-gradient method. Its state during a run is in the `RunningMethod` that `begin` creates. */
export interface Objective {
  readonly name: string;
  readonly paper: string;
  readonly description: string;
  /** The loss of batches without a loss of their own. */
  readonly loss: Loss;
  /** Whether the method uses `kl`, `clip_low` and `clip_high`. */
  readonly isClipped?: boolean;
  /** Whether the method weights rollouts by the ratio of the current policy to the one that generated them. */
  readonly hasImportanceRatio?: boolean;
  /** Whether the method fills or edits whole canvases itself, so that it cannot decode with token healing. */
  readonly fillsCanvases?: boolean;
  /** Whether the method generates its rollouts itself (`RunningMethod.rollOut`), so that workers cannot. */
  readonly generatesRollouts?: boolean;
  /**
   * Throws a `UsageError` if the method cannot work with these settings or this model. Called before the first step.
   */
  check?(settings: FullTuningSettings, config: ModelConfig): void;
  begin(run: MethodRun): RunningMethod;
  /**
   * The batch of one update with explicit masks, for checks by hand; `masks[j][s]` belongs to completion j. Absent if the
   * method depends on more than masks and rewards.
   */
  fromMasks?(
    completions: readonly ScoredCompletion[],
    masks: readonly MaskSamples[],
    settings: TuningSettings,
    tokens: MaskingTokens,
  ): MaskedUpdate;
}

/** What a method can access of its run. */
export interface MethodRun {
  readonly model: LanguageModel;
  readonly settings: TuningSettings;
  readonly specialTokens: MaskingTokens;
  /** The metrics of a batch's loss under the current policy, without an update. */
  evaluate(batch: Batch): Promise<Record<string, HostTensor>>;
  /**
   * Runs `work` with the policy that generated the step's rollouts, which is an older one with `staleness`. Absent: it is the current
   * policy.
   */
  underGenerator?<T>(work: () => Promise<T>): Promise<T>;
  /** The rewards of other completions of the step's problems. */
  reward(completions: readonly { readonly job: RolloutJob; readonly tokens: Int32Array }[]): Promise<number[]>;
  /** A solution of the problem; null if it is unknown. */
  solution(job: RolloutJob): string | null;
  /** Resets the optimiser: its moments, and its position in the learning rate schedule. */
  restartOptimizer(): Promise<void>;
  /** The result of `RunningMethod.state` in the checkpoint from which the run resumed; empty in a new run. */
  readonly restored: ReadonlyMap<string, HostTensor>;
}

/** A method during a run, with the state that it keeps between steps. */
export interface RunningMethod {
  /**
   * Generates a batch of the completions of a step; absent: the current policy generates them. A step that was stopped is repeated, so
   * calling this again for the same step must give the same result.
   */
  rollOut?(jobs: readonly RolloutJob[], step: number, hooks?: RolloutHooks): Promise<Rollout[]>;
  /**
   * Records what the updates on a step's rollouts need from the current policies. Called before the first update. Like `rollOut`,
   * it may be called again for the same step.
   */
  prepare(rollouts: StepRollouts): Promise<PreparedUpdates>;
  /** The state to store in checkpoints; see `MethodRun.restored`. */
  state?(): Promise<ReadonlyMap<string, HostTensor>>;
  dispose?(): Promise<void>;
}

/** The rollouts of a step. */
export interface StepRollouts {
  /** Counts from 1. */
  readonly step: number;
  readonly completions: readonly ScoredRollout[];
  /** A random stream of this step and name. */
  random(...path: readonly (string | number)[]): Random;
}

/** The updates on one set of rollouts, after `prepare`. */
export interface PreparedUpdates {
  /** The batches of inner update number `inner` (from 0), under the policy after the previous updates. */
  update(inner: number): Promise<Update>;
}

/** A method without state, whose updates need only the rollouts and new masks. */
export function statelessMethod(
  update: (completions: readonly ScoredRollout[], random: Random) => Update,
): RunningMethod {
  return {
    prepare: async ({ completions, random }) => ({
      update: async (inner) => update(completions, random('masks', inner)),
    }),
  };
}

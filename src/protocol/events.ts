import type { Interval } from './interval.ts';

/**
 * A training step, one line of `events.jsonl`: an open record of finite numbers. Names are TRL's where it has one;
 * an absent name was not measured in that step. The parts of a reward are `rewards/NAME/mean`; methods add other names
 * (for example `clip_ratio`).
 */
export interface StepEvent {
  readonly [metric: string]: number;
  /** Counts from 1. */
  readonly step: number;
  /** Unix seconds at the end of the step. */
  readonly time: number;
  /** Mean reward of the step's completions. */
  readonly reward?: number;
  /** Mean over groups of the standard deviation of rewards within a group. */
  readonly reward_std?: number;
  /** Fraction of groups with equal rewards, which have no gradient. */
  readonly frac_reward_zero_std?: number;
  readonly 'completions/mean_length'?: number;
  readonly 'completions/min_length'?: number;
  readonly 'completions/max_length'?: number;
  /** Share of the most frequent token among all tokens of the completions. */
  readonly 'completions/commonest_token'?: number;
  /** Mean entropy of the predictions of masked tokens in the update, in nats. */
  readonly entropy?: number;
  /** Tokens processed since the start of the run. */
  readonly num_tokens?: number;
  readonly loss?: number;
  /** Global norm of the gradient before clipping. */
  readonly grad_norm?: number;
  readonly learning_rate?: number;
  /** Estimated divergence from the reference policy, in nats per token. */
  readonly kl?: number;
  /** Mean lower bound of the log-likelihood of completions with positive advantage, in nats per token. */
  readonly elbo_positive?: number;
  /** Mean upper bound for completions with negative advantage, up to a constant. */
  readonly eubo_negative?: number;
  readonly elbo_negative?: number;
  /** Upper minus lower bound on held-out samples, up to a constant. */
  readonly eubo_elbo_gap?: number;
  readonly tokens_per_second?: number;
  /** Seconds of the step by phase. */
  readonly 'time/rollout'?: number;
  readonly 'time/reward'?: number;
  readonly 'time/update'?: number;
  readonly 'time/evaluation'?: number;
  readonly 'time/checkpoint'?: number;
  /** Seconds of the whole step. */
  readonly 'time/step'?: number;
  /** Mean number of processors that the run's process kept busy in the step. */
  readonly 'system/processors'?: number;
  /** Resident memory of the run's process after the step, in MiB. */
  readonly 'system/memory'?: number;
}

/**
 * An evaluation during a run, also one line of `events.jsonl`; only an evaluation has the field `evaluation`. `step` is
 * the number of steps that the evaluated weights were trained for, 0 before the first.
 */
export interface EvaluationEvent {
  readonly step: number;
  /** Unix seconds. */
  readonly time: number;
  readonly evaluation: Evaluation;
}

export interface Evaluation {
  readonly task: string;
  /** The problems, for example `validation` or `test`. */
  readonly split: string;
  /** Number of problems. */
  readonly n: number;
  readonly metrics: Readonly<Record<string, Interval>>;
  /**
   * Other measures on the same problems, for example `eubo_elbo_gap` or `forwards_per_answer`. `weight_outlier` is there only if a
   * weight is more than 10,000 times the root mean square of its tensor, and is that ratio.
   */
  readonly measures?: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** One line of `events.jsonl`. */
export type RunEvent = StepEvent | EvaluationEvent;

import type { Interval } from '../../protocol/interval.ts';
import type { FullTuningSettings } from '../settings.ts';

/** The settings shared by all objectives of a comparison. */
export interface ComparisonPlan {
  readonly task: string;
  /** The base model, by the name that the user gave. A path would not be valid on another machine that continues the comparison. */
  readonly model: string;
  readonly steps: number;
  /** Number of steps of a learning-rate trial. */
  readonly trial_steps: number;
  /** Learning rates to try for each objective. */
  readonly learning_rates: readonly number[];
  /** Number of held-out problems, and of sampled answers to each for pass@k. */
  readonly problems: number;
  readonly samples: number;
  readonly settings: FullTuningSettings;
}

/** The result of a learning-rate trial. */
export interface RateTrial {
  readonly learning_rate: number;
  /** The task's main metric on validation problems at the end; null if the run failed. */
  readonly score: number | null;
}

/** The state of a run after a step. */
export interface CurvePoint {
  readonly step: number;
  readonly rollouts: number;
  /** Seconds of training, without evaluations. */
  readonly seconds: number;
  readonly value: number;
}

/** The complete result of one seed of one objective. */
export interface ComparisonRow {
  /** The label that the user gave, including its settings. */
  readonly objective: string;
  readonly seed: number;
  readonly learning_rate: number;
  readonly trials: readonly RateTrial[];
  readonly rollouts: number;
  readonly seconds: number;
  readonly seconds_per_step: number;
  /** From greedy answers to the held-out problems. */
  readonly before: Readonly<Record<string, Interval>>;
  readonly after: Readonly<Record<string, Interval>>;
  /** pass@1 to pass@K of sampled answers. */
  readonly pass: Readonly<Record<string, Interval>>;
  /** Mean reward of each step's rollouts. */
  readonly reward: readonly CurvePoint[];
  /** The task's main metric on validation problems. */
  readonly validation: readonly CurvePoint[];
  readonly run: string;
  readonly device: string;
  readonly version: string;
  readonly finished_at: string;
}

/** A run that failed is a result as well. */
export interface FailedRow {
  readonly objective: string;
  readonly seed: number;
  readonly learning_rate: number;
  readonly trials: readonly RateTrial[];
  readonly failed: string;
}

/** The time of a step, measured on an otherwise idle machine. */
export interface Costs {
  readonly machine: string;
  readonly device: string;
  readonly version: string;
  readonly measured_at: string;
  /** Number of steps of each objective in the medians. */
  readonly steps: number;
  readonly seconds_per_step: Readonly<Record<string, number>>;
}

/** All seeds of one objective. */
export interface ObjectiveSummary {
  readonly objective: string;
  readonly seeds: number;
  /** Number of seeds whose run failed. */
  readonly failed: number;
  readonly learning_rate: number;
  /** Means over seeds with intervals over seeds; for a single seed, intervals over its problems. */
  readonly metrics: Readonly<Record<string, Interval>>;
  /**
   * The difference of the main metric from the first-named objective's, paired by seed, with an interval over seeds.
   * Null for that objective itself, and with fewer than two common seeds.
   */
  readonly difference: Interval | null;
  /** Rollouts of one run. */
  readonly rollouts: number;
  /** From the separate measurement if there is one, otherwise from the runs. */
  readonly seconds_per_step: number;
}

import type { Interval } from '../../protocol/interval.ts';
import type { FullTuningSettings } from '../settings.ts';

/** What is the same for every objective of a comparison. */
export interface ComparisonPlan {
  readonly task: string;
  /** The base, as it was named: a folder may be gone on with on another machine. */
  readonly model: string;
  readonly steps: number;
  /** Steps of a run that tries out a learning rate. */
  readonly trial_steps: number;
  /** Learning rates that are tried for each objective. */
  readonly learning_rates: readonly number[];
  /** Held-out problems, and sampled answers to each for pass@k. */
  readonly problems: number;
  readonly samples: number;
  readonly settings: FullTuningSettings;
}

/** What came of trying one learning rate. */
export interface Trial {
  readonly learning_rate: number;
  /** The task's first metric on validation problems at the end; null where the run failed. */
  readonly score: number | null;
}

/** How a run stood after a step. */
export interface CurvePoint {
  readonly step: number;
  readonly rollouts: number;
  /** Of training, evaluations left out. */
  readonly seconds: number;
  readonly value: number;
}

/** One seed of one objective, complete in itself. */
export interface ComparisonRow {
  /** As it was asked for, with settings of its own where it had any. */
  readonly objective: string;
  readonly seed: number;
  readonly learning_rate: number;
  readonly trials: readonly Trial[];
  readonly rollouts: number;
  readonly seconds: number;
  readonly seconds_per_step: number;
  /** Greedy answers to the held-out problems. */
  readonly before: Readonly<Record<string, Interval>>;
  readonly after: Readonly<Record<string, Interval>>;
  /** pass@1 to pass@K of sampled answers. */
  readonly pass: Readonly<Record<string, Interval>>;
  /** Mean reward of each step's rollouts. */
  readonly reward: readonly CurvePoint[];
  /** The task's first metric on validation problems. */
  readonly validation: readonly CurvePoint[];
  readonly run: string;
  readonly device: string;
  readonly version: string;
  readonly finished_at: string;
}

/** A run that broke off is a result as well. */
export interface FailedRow {
  readonly objective: string;
  readonly seed: number;
  readonly learning_rate: number;
  readonly trials: readonly Trial[];
  readonly failed: string;
}

/** What a step costs, measured in one go on a machine that did nothing else. */
export interface Costs {
  readonly machine: string;
  readonly device: string;
  readonly version: string;
  readonly measured_at: string;
  /** Steps of each objective that the medians are of. */
  readonly steps: number;
  readonly seconds_per_step: Readonly<Record<string, number>>;
}

/** All seeds of one objective. */
export interface ObjectiveSummary {
  readonly objective: string;
  readonly seeds: number;
  /** Seeds whose run broke off. */
  readonly failed: number;
  readonly learning_rate: number;
  /** Means over seeds, with intervals over seeds; of one seed alone, over its problems. */
  readonly metrics: Readonly<Record<string, Interval>>;
  /**
   * The first metric minus that of the objective that is named first, seed by seed, with an interval over seeds; null for
   * that objective itself, and with fewer than two seeds in common.
   */
  readonly difference: Interval | null;
  /** Of one run. */
  readonly rollouts: number;
  /** As it was measured by itself; else by the clock of the runs. */
  readonly seconds_per_step: number;
}

import { type DecodingOptions, mostSteps } from '../diffusion/denoise.ts';
import type { ActivityCount } from '../protocol/run.ts';
import type { WorkContext } from '../runs/run-job.ts';
import type { TuningSettings } from './settings.ts';

/** Seconds that each phase of a step took. */
export interface StepTimes {
  readonly 'time/rollout': number;
  readonly 'time/reward': number;
  readonly 'time/update': number;
}

/** Measures the seconds of the phases of a step, one after the other. */
export class PhaseTimes {
  readonly #seconds = { 'time/rollout': 0, 'time/reward': 0, 'time/update': 0 };
  #begin = performance.now();

  /** Ends a phase; the next one begins now. */
  end(phase: keyof StepTimes): void {
    const now = performance.now();
    this.#seconds[phase] = (now - this.#begin) / 1000;
    this.#begin = now;
  }

  all(): StepTimes {
    return { ...this.#seconds };
  }
}

/** The size of a step, for its progress and the estimate of its time. */
export interface StepPlan {
  /** Number of completions of the step. */
  readonly completions: number;
  /** Whether rewards run tests, so that scoring is reported separately. */
  readonly countsRewards: boolean;
  /** Estimated time of the update relative to the rollouts. */
  readonly updateCost: number;
  /** Times of the previous step; null for the first step of a process. */
  readonly previous: StepTimes | null;
}

/** Cost of a forward and a backward pass, in forward passes. A backward pass takes about twice as long as a forward pass. */
const forwardAndBackward = 3;

/**
 * Estimated time of a step's update relative to its rollouts, from the number of forward passes over a completion. The
 * first step uses this estimate, because no update has been measured yet.
 */
export function relativeUpdateCost(
  { mask_samples: samples, inner_updates: updates }: Pick<TuningSettings, 'mask_samples' | 'inner_updates'>,
  decoding: DecodingOptions,
): number {
  return (forwardAndBackward * samples * updates) / mostSteps(decoding);
}

/**
 * Reports the progress of a tuning step and estimates its remaining seconds, from the share of completed rollouts and,
 * after the first step, from the times of the previous step.
 */
export class StepProgress {
  readonly #report: WorkContext['reportProgress'];
  readonly #plan: StepPlan;
  readonly #begin = performance.now();
  #generated = 0;
  #scoring = 0;
  #scored = 0;
  /** The times at which the last rollout was complete, and at which the update began. */
  #rolloutsDone: number | null = null;
  #updateBegan: number | null = null;

  constructor(report: WorkContext['reportProgress'], plan: StepPlan) {
    this.#report = report;
    this.#plan = plan;
  }

  /** Reports that the share `share` of the denoising steps of the next `batch` rollouts is done. */
  generating(batch: number, share: number): void {
    const { completions, previous, updateCost } = this.#plan;
    const done = (this.#generated + batch * share) / completions;
    const elapsed = seconds(this.#begin);
    const rolloutTime = done > 0 ? elapsed / done : (previous?.['time/rollout'] ?? null);
    const updateTime = rolloutTime === null ? 0 : (previous?.['time/update'] ?? rolloutTime * updateCost);
    const rewardTime = previous?.['time/reward'] ?? 0;
    const left = rolloutTime === null ? null : Math.max(0, rolloutTime - elapsed) + rewardTime + updateTime;
    this.#reportCounts(this.#counts(), left);
  }

  /** Reports that `batch` more rollouts are complete. */
  generated(batch: number): void {
    this.#generated += batch;
    if (this.#generated === this.#plan.completions) this.#rolloutsDone = performance.now();
    this.generating(0, 0);
  }

  /**
   * Reports that `batch` more rollouts are being scored. Call the returned function when `done` of `total` rewards are
   * known; `total` may count equal completions once.
   */
  scoring(batch: number): (done: number, total: number) => void {
    this.#scoring += batch;
    this.#waitingForRewards();
    let counted = 0;
    return (done, total) => {
      const known = Math.floor((batch * done) / total);
      this.#scored += known - counted;
      counted = known;
      this.#waitingForRewards();
    };
  }

  /** Reports that the update is being prepared. */
  preparing(): void {
    this.#updateBegan = performance.now();
    this.#reportCounts([], this.#updateSeconds(), 'preparing the update');
  }

  /** Reports that `done` of the `total` batches of all updates are done. */
  updating(done: number, total: number): void {
    const elapsed = seconds(this.#updateBegan ?? this.#begin);
    const left = done > 0 ? (elapsed * (total - done)) / done : Math.max(0, this.#updateSeconds() - elapsed);
    this.#reportCounts([{ name: 'update batches', done, total }], left);
  }

  /** Reports the number of known rewards. Before all rollouts are complete, `generating` reports instead. */
  #waitingForRewards(): void {
    const { completions, countsRewards, previous } = this.#plan;
    if (this.#rolloutsDone === null || !countsRewards) return;
    const elapsed = seconds(this.#rolloutsDone);
    // Scoring overlaps with the rollouts, so the time since the beginning of the step counts.
    const byCount = this.#scored > 0 ? (seconds(this.#begin) * (completions - this.#scored)) / this.#scored : null;
    const left = previous ? Math.max(0, previous['time/reward'] - elapsed) : byCount;
    this.#reportCounts(this.#counts(), left === null ? null : left + this.#updateSeconds());
  }

  #updateSeconds(): number {
    const { previous, updateCost } = this.#plan;
    return previous?.['time/update'] ?? updateCost * (((this.#rolloutsDone ?? this.#begin) - this.#begin) / 1000);
  }

  #counts(): ActivityCount[] {
    const { completions, countsRewards } = this.#plan;
    const rewards = { name: 'rewards', done: this.#scored, total: this.#scoring };
    return [
      { name: 'rollouts', done: this.#generated, total: completions },
      ...(countsRewards && this.#scoring > 0 ? [rewards] : []),
    ];
  }

  #reportCounts(counts: readonly ActivityCount[], eta: number | null, text?: string): void {
    const counted = counts.map(({ name, done, total }) => `${name} ${done} of ${total}`).join(', ');
    this.#report({ text: text ?? counted, counts, eta });
  }
}

const seconds = (since: number): number => (performance.now() - since) / 1000;

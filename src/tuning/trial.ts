import { wilsonInterval } from '../evaluation/statistics.ts';
import { count } from '../platform/amounts.ts';
import type { Evaluation } from '../protocol/events.ts';
import type { RunningJob, WorkContext } from '../runs/run-job.ts';
import { isScored } from '../tasks/scorer.ts';
import type { Reward, ScoringError } from '../tasks/task.ts';
import type { TrainingHooks } from '../training/training-job.ts';
import type { RolloutJob } from './rollouts.ts';

/** A method that can generate completions before the first step, to judge whether tuning is worth its time. */
export interface TrialMethod {
  /** Generates and scores about `attempts` completions without an update, spread over the levels of difficulty. */
  attempt(attempts: number, context: WorkContext): Promise<Trial>;
}

/** A group of completions of one problem, generated and scored before the first step. */
export interface TrialGroup {
  /** Name of the problem's level of difficulty; null: the task has no levels. */
  readonly level: string | null;
  /** Whether each completion passed. Completions that could not be scored are left out. */
  readonly passed: readonly boolean[];
  /** Whether the rewards differ, so that the group has a gradient. */
  readonly differs: boolean;
}

export interface Trial {
  readonly groups: readonly TrialGroup[];
  readonly seconds: number;
  /** Estimated seconds of a step, its update included. */
  readonly secondsPerStep: number;
}

/**
 * Generates and scores completions before the first step, records the result, and reports whether tuning is worth its
 * time. The results also tell a curriculum where to begin.
 */
export async function runTrial(
  method: TrialMethod,
  { attempts, task, metric }: { readonly attempts: number; readonly task: string; readonly metric: string },
  job: RunningJob,
  { onEvaluation }: Pick<TrainingHooks, 'onEvaluation'>,
): Promise<void> {
  await job.run.log(`Trying ${count(attempts, 'completion')} before the first step.`);
  const reportProgress: RunningJob['reportProgress'] = (activity) =>
    job.reportProgress({ ...activity, text: `trial: ${activity.text}` });
  const trial = await method.attempt(attempts, { signal: job.signal, reportProgress });
  const evaluation = trialEvaluation(trial, task, metric);
  await job.run.append({ step: 0, time: Date.now() / 1000, evaluation });
  onEvaluation?.(0, evaluation);
  await job.warn(trialVerdict(trial));
}

/** Whether each completion passed; those that could not be scored are left out. */
export const attemptsOf = (
  completions: readonly { readonly job: RolloutJob }[],
  rewards: readonly (Reward | ScoringError)[],
): { readonly row: unknown; readonly passed: boolean }[] =>
  completions.flatMap(({ job: { row } }, index) => {
    const reward = rewards[index] as Reward | ScoringError;
    return isScored(reward) ? [{ row, passed: reward.passed === true }] : [];
  });

/** The result of a group from the rewards of its completions. */
export function trialGroup(level: string | null, rewards: readonly (Reward | ScoringError)[]): TrialGroup {
  const scored = rewards.filter(isScored);
  return {
    level,
    passed: scored.map(({ passed }) => passed === true),
    differs: scored.some(({ total }) => total !== scored[0]!.total),
  };
}

/** The trial as an evaluation of split `trial`, for the event log. */
export function trialEvaluation({ groups, seconds, secondsPerStep }: Trial, task: string, metric: string): Evaluation {
  const passed = groups.flatMap((group) => group.passed);
  const { value, low, high } = wilsonInterval(passed.filter(Boolean).length, passed.length);
  return {
    task,
    split: 'trial',
    n: passed.length,
    metrics: { [metric]: { value, low, high } },
    measures: { differing_groups: share(groups, ({ differs }) => differs), seconds_per_step: secondsPerStep },
    seconds,
  };
}

/** Says whether tuning is worth its time, in one or two sentences. */
export function trialVerdict({ groups, secondsPerStep }: Trial): string {
  const passed = groups.flatMap((group) => group.passed);
  const passes = passed.filter(Boolean).length;
  const differing = groups.filter(({ differs }) => differs).length;
  const facts = `${passes} of ${passed.length} attempts passed${byLevel(groups)}, the rewards differ in ${differing} of ${groups.length} groups, and a step takes about ${duration(secondsPerStep)}`;
  if (passes > 0 && differing > 0) return `Worth it: ${facts}.`;
  if (passes > 0 && passes === passed.length)
    return `Not worth it: ${facts}. The model solves these problems already; choose harder ones.`;
  if (differing > 0)
    return `Probably not worth it with this model: ${facts}. Rewards differ only in small parts; choose a larger model or easier problems.`;
  return `Not worth it with this model: ${facts}. There is nothing to learn from; choose a larger model or easier problems.`;
}

/** The pass rate of each level, if there are several. */
function byLevel(groups: readonly TrialGroup[]): string {
  const levels = [...new Set(groups.map(({ level }) => level))].filter((level) => level !== null);
  if (levels.length < 2) return '';
  const rates = levels.map((level) => {
    const own = groups.filter((group) => group.level === level).flatMap((group) => group.passed);
    return `${level} ${own.filter(Boolean).length} of ${own.length}`;
  });
  return ` (${rates.join(', ')})`;
}

const share = <Item>(items: readonly Item[], holds: (item: Item) => boolean): number =>
  items.length === 0 ? 0 : items.filter(holds).length / items.length;

const duration = (seconds: number): string =>
  seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${(seconds / 60).toFixed(1)} min`;

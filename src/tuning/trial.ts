import { wilsonInterval } from '../evaluation/statistics.ts';
import type { Evaluation } from '../protocol/events.ts';

/** A group of completions of one problem, generated and scored before the first step. */
export interface TrialGroup {
  /** Difficulty of the problem; null: the task has one kind of problem. */
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

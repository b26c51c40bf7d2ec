import gateCounts from './gate-counts.json' with { type: 'json' };
import type { Candidate } from './situation.ts';

/** How often proposed edits with some features were right. */
export interface GateCounts {
  /** How and on what they were counted. */
  readonly about: string;
  /** By the source and the first features: the number that was made next, the number of right ones, and the number of all. */
  readonly counts: Readonly<Record<string, readonly [next: number, right: number, of: number]>>;
}

/** The chance from which an edit is shown without being asked for. */
export const automaticChance = 0.5;

/** The chances of a candidate of which nothing was counted. */
const unknown: Chances = { next: 0.25, chance: 0.5 };

/** Candidates that the chance of fewer features counts as much as. */
const priorWeight = 6;

/** The keys of a candidate's counts: its source, and its source with one, two and more of its features. */
export const gateKeys = ({ source, features }: Candidate): string[] =>
  Array.from({ length: features.length + 1 }, (_, length) => [source, ...features.slice(0, length)].join(' | '));

/** What is estimated of a candidate. */
export interface Chances {
  /** That it is what the user edits next. */
  readonly next: number;
  /** That it is right: that the user makes it next or later. */
  readonly chance: number;
}

/**
 * The estimated chances of a candidate: the shares among the candidates with the same features, shrunk towards the shares with one feature
 * less.
 */
export function chancesOf(candidate: Candidate, { counts }: GateCounts = gateCounts as unknown as GateCounts): Chances {
  let { next, chance } = unknown;
  for (const key of gateKeys(candidate)) {
    const [nextOnes, right, of] = counts[key] ?? [0, 0, 0];
    next = (nextOnes + priorWeight * next) / (of + priorWeight);
    chance = (right + priorWeight * chance) / (of + priorWeight);
  }
  return { next, chance };
}

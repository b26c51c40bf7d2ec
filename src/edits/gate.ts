import gateCounts from './gate-counts.json' with { type: 'json' };
import type { Candidate } from './situation.ts';

/** How often proposed edits with some features were right. */
export interface GateCounts {
  /** How and on what they were counted. */
  readonly about: string;
  /** By the source and the first features: the number of right ones and of all. */
  readonly counts: Readonly<Record<string, readonly [right: number, of: number]>>;
}

/** The chance from which an edit is shown without being asked for. */
export const automaticChance = 0.5;

/** Proposals that the chance of fewer features counts as much as. */
const priorWeight = 4;

/** The keys of a candidate's counts: its source, and its source with one, two and more of its features. */
export const gateKeys = ({ source, features }: Candidate): string[] =>
  Array.from({ length: features.length + 1 }, (_, length) => [source, ...features.slice(0, length)].join(' | '));

/**
 * The estimated chance that a candidate is right: the share of right ones among those with the same features, shrunk towards the share with
 * one feature less, down to one half for all.
 */
export function chanceOf(candidate: Candidate, { counts }: GateCounts = gateCounts as unknown as GateCounts): number {
  let chance = 0.5;
  for (const key of gateKeys(candidate)) {
    const [right, of] = counts[key] ?? [0, 0];
    chance = (right + priorWeight * chance) / (of + priorWeight);
  }
  return chance;
}

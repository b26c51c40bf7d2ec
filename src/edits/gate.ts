import gateWeights from './gate-weights.json' with { type: 'json' };
import type { Candidate } from './situation.ts';

/** What is estimated of a candidate. */
export interface Chances {
  /** That it is what the user edits next. */
  readonly next: number;
  /** That it is right: that the user makes it next or later. */
  readonly chance: number;
}

/** The weights of two logistic regressions, by feature. */
export interface GateWeights {
  /** How and on what they were fitted. */
  readonly about: string;
  readonly weights: Readonly<Record<string, readonly [next: number, chance: number]>>;
}

/** The chance from which an edit is shown without being asked for. */
export const automaticChance = 0.5;

/** The features of a candidate, each of which has a weight: one for all, its source, and its source with each of its own features. */
export const gateFeatures = ({ source, features }: Pick<Candidate, 'source' | 'features'>): string[] => [
  'any',
  source,
  ...features.map((feature) => `${source} | ${feature}`),
];

/** The estimated chances of a candidate. A feature that was too rare to be fitted changes nothing. */
export function chancesOf(
  candidate: Pick<Candidate, 'source' | 'features'>,
  { weights }: GateWeights = gateWeights as unknown as GateWeights,
): Chances {
  let [next, chance] = [0, 0];
  for (const feature of gateFeatures(candidate)) {
    const [ofNext, ofChance] = weights[feature] ?? [0, 0];
    next += ofNext;
    chance += ofChance;
  }
  return { next: probability(next), chance: probability(chance) };
}

const probability = (score: number): number => 1 / (1 + Math.exp(-score));

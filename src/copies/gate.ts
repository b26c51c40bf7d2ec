import type { SuggestionGate } from '../model/generation.ts';
import {
  featuresOf,
  type GatePlace,
  gateFeatureNames,
  type ModelProposal,
  type Proposal,
  placeContext,
} from './gate-features.ts';
import gateWeights from './gate-weights.json' with { type: 'json' };

/** How readily suggestions are shown; `balanced`: about half of the shown suggestions are right. */
export const gateLevels = ['eager', 'balanced', 'careful'] as const;
export type GateLevel = (typeof gateLevels)[number];

/** The gate that was fitted for the bundled code model. Models that need another one have it in their generation settings. */
export const bundledGate: SuggestionGate = gateWeights;

export interface JudgedProposal extends Proposal {
  /** Probability that the text, or its first line, is what the user would write. */
  readonly probability: number;
}

/** The text as proposals are compared: without differences in white space. */
const comparable = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** Combines copies and alternatives of the model; equal texts become one proposal. */
export function proposalsOf(place: Pick<GatePlace, 'copies' | 'alternatives'>): Proposal[] {
  const proposals = new Map<string, Proposal>();
  for (const copy of place.copies) {
    const key = comparable(copy.text);
    if (!proposals.has(key)) proposals.set(key, { text: copy.text, copy, model: null });
  }
  for (const model of place.alternatives ?? []) {
    const key = comparable(model.text);
    const known = proposals.get(key);
    if (!known) proposals.set(key, { text: model.text, copy: null, model });
    else if (known.model === null) proposals.set(key, { ...known, model });
  }
  return [...proposals.values()];
}

/**
 * The proposals of a place with the probability that each is right, the most probable first: logistic regression over
 * `gateFeatures`.
 */
export function judgeProposals(place: GatePlace, weights: SuggestionGate = bundledGate): JudgedProposal[] {
  const context = placeContext(place);
  return proposalsOf(place)
    .map((proposal) => {
      const features = featuresOf(proposal, context);
      const score = gateFeatureNames.reduce(
        (sum, name, index) => sum + (weights.features[name] ?? 0) * (features[index] as number),
        weights.bias,
      );
      return { ...proposal, probability: 1 / (1 + Math.exp(-score)) };
    })
    .sort((a, b) => b.probability - a.probability);
}

/** The probability from which a suggestion is shown. */
export const thresholdOf = (level: GateLevel, { thresholds }: SuggestionGate = bundledGate): number =>
  thresholds[level];

export type { GatePlace, ModelProposal, Proposal };
export { gateFeatureNames };

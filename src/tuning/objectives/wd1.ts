/**
 * wd1 (arXiv 2507.08838): weighted log-likelihood without ratios. In each group
 *
 *     w+ = softmax(A),  w- = softmax(-A),   loss = - sum_j w+_j logp_j + sum_j w-_j logp_j
 *
 * averaged over groups, with logp_j the sum over a completion's tokens of the one-step estimate of d1 (arXiv 2504.12216).
 * In a group of equal rewards the two terms cancel. Left out: sampling from a mixture with a reference policy (its KL-regularised
 * variant), and the softmax over a device's batch instead of a group, which the released code uses.
 */

import { byGroup } from '../advantages.ts';
import { oneStepView } from '../likelihoods/elbo-views.ts';
import { scoreMetrics, weightedScores } from '../likelihoods/score-losses.ts';
import { sequenceBatches } from '../likelihoods/sequence-update.ts';
import { type Objective, type ScoredRollout, statelessMethod } from './objective.ts';

export const wd1: Objective = {
  name: 'wd1',
  paper: 'arXiv 2507.08838',
  description: 'wd1: log-likelihood weighted by the softmax of advantages, of both signs',
  loss: weightedScores,
  begin: ({ settings, specialTokens }) =>
    statelessMethod((completions, random) => {
      const weights = wd1Weights(completions);
      const entries = completions.flatMap((completion, j) => {
        if (weights[j] === 0) return [];
        const view = oneStepView(completion, {
          promptMasking: settings.clean_token_masking,
          mask: specialTokens.mask,
          random,
        });
        return [{ sequence: [view], values: { weights: weights[j] as number } }];
      });
      const { micro_batch: size } = settings;
      return {
        batches: sequenceBatches(entries, { size, pad: specialTokens.pad, loss: weightedScores }),
        metrics: scoreMetrics(entries),
      };
    }),
};

/** w- minus w+ of each completion, divided by the number of groups. */
export function wd1Weights(completions: readonly Pick<ScoredRollout, 'advantage' | 'group'>[]): number[] {
  const groups = byGroup(completions);
  return groups.flatMap((members) => {
    const share = (sign: number, own: number) =>
      1 / members.reduce((sum, { advantage }) => sum + Math.exp(sign * (advantage - own)), 0);
    return members.map(({ advantage }) => (share(-1, advantage) - share(1, advantage)) / groups.length);
  });
}

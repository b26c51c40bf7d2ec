/**
 * RSPO, relative score policy optimisation (arXiv 2605.10218): the score of a completion relative to a frozen reference
 * is regressed to its advantage,
 *
 *     D = s(y) - s_ref(y),  d = D - sg(mean of D),   loss = - mean_j sg(A_j - lambda d_j) d_j
 *
 * with s the ELBO per token. The gradient is that of lambda/2 (d - A / lambda)^2, so a completion is no longer changed
 * once d has reached A / lambda, without any clipping. Policy and reference use the same masks; the mean is over the
 * step's completions, including groups of equal reward. Uncertain: the formula and lambda = 0.01 come from a
 * re-implementation, not from the paper.
 */

import { elboViews } from '../likelihoods/elbo-views.ts';
import { Reference, requireReference } from '../likelihoods/reference.ts';
import { scoreMetrics, weightedScores } from '../likelihoods/score-losses.ts';
import { scoreSequences } from '../likelihoods/scored-sequences.ts';
import { sequenceBatches } from '../likelihoods/sequence-update.ts';
import type { Objective } from './objective.ts';

export const rspo: Objective = {
  name: 'rspo',
  paper: 'arXiv 2605.10218',
  description: 'RSPO: the score relative to a reference is regressed to the advantage over lambda',
  loss: weightedScores,
  check: (settings) => requireReference('rspo', settings),
  begin(run) {
    const { settings, specialTokens } = run;
    const reference = new Reference(run);
    const scoring = { size: settings.micro_batch, pad: specialTokens.pad };
    return {
      async prepare({ step, completions, random }) {
        const frozen = await reference.at(step);
        const hasSignal = completions.some(({ advantage }) => advantage !== 0);
        return {
          async update(inner) {
            if (!hasSignal) return { batches: [], metrics: () => ({}) };
            const masks = random('masks', inner);
            const sequences = completions.map((completion) =>
              elboViews(completion, settings.mask_samples, specialTokens.mask, masks, 1 / completion.length),
            );
            const ofReference = await scoreSequences((batch) => frozen.evaluate(batch), sequences, scoring);
            const current = await scoreSequences((batch) => run.evaluate(batch), sequences, scoring);
            const relative = completions.map(
              (_, j) => (current.sequences[j] as number) - (ofReference.sequences[j] as number),
            );
            const advantages = completions.map(({ advantage }) => advantage);
            const weights = rspoWeights(relative, advantages, settings.score_lambda);
            const entries = sequences.map((sequence, j) => ({ sequence, values: { weights: weights[j] as number } }));
            return {
              batches: sequenceBatches(entries, { ...scoring, loss: weightedScores }),
              metrics: scoreMetrics(entries),
            };
          },
        };
      },
      state: () => reference.state(),
      dispose: () => reference.dispose(),
    };
  },
};

/** The weight of each score in the loss: -(A - lambda d) over the number of completions. */
export function rspoWeights(relative: readonly number[], advantages: readonly number[], lambda: number): number[] {
  const mean = relative.reduce((sum, score) => sum + score, 0) / relative.length;
  return relative.map((score, j) => -((advantages[j] as number) - lambda * (score - mean)) / relative.length);
}

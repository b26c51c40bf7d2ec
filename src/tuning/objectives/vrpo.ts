/**
 * VRPO of LLaDA 1.5 (arXiv 2505.19223): DPO's loss (arXiv 2305.18290) with ELBOs B instead of log-likelihoods,
 *
 *     loss = - log sigma( beta ( (B(y_w) - B_ref(y_w)) - (B(y_l) - B_ref(y_l)) ) )
 *
 * and its variance reduction: the sample budget is spent on many noise levels with one mask each, and policy and
 * reference use the same masks. The paper has labelled pairs; here pairs are made of a group's own completions: the
 * best with the worst, the second best with the second worst, as long as their rewards differ. `mask_samples` is the
 * budget (the paper's is 8). Uncertain: the paper's number of pairs is not
 * known here.
 */
import { total } from '../../graph/compositions.ts';
import { add, exp, log, maximum, mul, neg, reduceSum, reshape, sub } from '../../graph/primitives.ts';
import type { Loss, StepResult } from '../../training/trainer.ts';
import { byGroup } from '../advantages.ts';
import { elboViews } from '../likelihoods/elbo-views.ts';
import { Reference, requireReference } from '../likelihoods/reference.ts';
import { scoreSequences, sequenceScores } from '../likelihoods/scored-sequences.ts';
import { scalarInput, sequenceBatches } from '../likelihoods/sequence-update.ts';
import type { Objective, ScoredRollout } from './objective.ts';

/** Sequences are in pairs, the preferred one first. */
export const preferenceLoss: Loss = {
  name: 'preference',
  define: ({ logp, extra }) => {
    const pairwise = (values: ReturnType<typeof mul>) => reduceSum(reshape(values, [-1, 2]), [1]);
    const relative = sub(sequenceScores(logp, extra('coefficients')), extra('reference'));
    const margin = mul(pairwise(mul(relative, extra('signs'))), extra('preference_beta'));
    // -log sigma(x) = max(-x, 0) + log(1 + exp(-|x|)) neither overflows nor loses precision in its tail.
    const size = maximum(margin, neg(margin));
    const perPair = add(maximum(neg(margin), 0), log(add(exp(neg(size)), 1)));
    const weights = pairwise(extra('weights'));
    return { loss: total(mul(perPair, weights)), metrics: { margin: total(mul(margin, weights)) } };
  },
};

export const vrpo: Objective = {
  name: 'vrpo',
  paper: 'arXiv 2505.19223',
  description: "LLaDA 1.5: preferences between a group's completions, relative to a reference, on shared masks",
  loss: preferenceLoss,
  check: (settings) => requireReference('vrpo', settings),
  begin(run) {
    const { settings, specialTokens } = run;
    const reference = new Reference(run);
    // Pairs stay together.
    const size = Math.max(2, settings.micro_batch - (settings.micro_batch % 2));
    return {
      async prepare({ step, completions, random }) {
        const pairs = preferencePairs(completions);
        const frozen = await reference.at(step);
        return {
          async update(inner) {
            const masks = random('masks', inner);
            const sequences = pairs
              .flat()
              .map((completion) => elboViews(completion, settings.mask_samples, specialTokens.mask, masks));
            const ofReference =
              sequences.length === 0
                ? { sequences: [] }
                : await scoreSequences((batch) => frozen.evaluate(batch), sequences, { size, pad: specialTokens.pad });
            const entries = sequences.map((sequence, index) => ({
              sequence,
              values: {
                reference: ofReference.sequences[index] as number,
                signs: index % 2 === 0 ? 1 : -1,
                weights: 0.5 / pairs.length,
              },
            }));
            const shared = { preference_beta: scalarInput(settings.preference_beta) };
            return {
              batches: sequenceBatches(entries, { size, pad: specialTokens.pad, loss: preferenceLoss, shared }),
              metrics: ({ metrics }: StepResult) => ({
                preference_margin: metrics.reduce((sum, { margin }) => sum + (margin!.data[0] as number), 0),
              }),
            };
          },
        };
      },
      state: () => reference.state(),
      dispose: () => reference.dispose(),
    };
  },
};

/**
 * Pairs the best of each group with its worst, the second best with the second worst, and so on while their rewards
 * differ.
 */
export function preferencePairs<T extends Pick<ScoredRollout, 'group' | 'reward'>>(
  completions: readonly T[],
): [T, T][] {
  return byGroup(completions).flatMap((group) => {
    const ranked = group.toSorted((a, b) => b.reward - a.reward);
    const pairs = Array.from({ length: Math.floor(ranked.length / 2) }, (_, rank): [T, T] => [
      ranked[rank] as T,
      ranked.at(-1 - rank) as T,
    ]);
    return pairs.filter(([better, worse]) => better.reward > worse.reward);
  });
}

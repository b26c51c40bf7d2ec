/**
 * Coupled GRPO of DiffuCoder (arXiv 2506.20639, and its released trainer): a token's log-probability is
 * estimated from three versions of the completion, fully masked, masked at a ratio r ~ U(0.2, 0.8), and masked at the
 * complement, so that each token is scored once under partial context:
 *
 *     logp_i = 1/2 ( log pi(x_i | all masked) + [i in M] log pi(x_i | M) / r + [i not in M] log pi(x_i | not M) / (1 - r) )
 *     loss   = GRPO's clipped ratio of these per token, and kl k3
 *
 * r and M are the same for old policy and reference; the prompt is not masked. Left out: leave-one-out advantages; the
 * group's mean is used, as for all methods here. The paper's values (clip 0.5, kl 0.01) are the defaults.
 */
import type { Random } from '../../platform/random.ts';
import { type CompletionText, completionMask } from '../likelihoods/elbo-views.ts';
import { maskedView, type ScoredSequence } from '../likelihoods/scored-sequences.ts';
import { clippedObjective, withSignal } from './clipped-method.ts';

export const coupledGrpo = clippedObjective(
  {
    name: 'coupled-grpo',
    unit: 'token',
    penalty: 'k3',
    logProbs: 'model',
    defaults: { low: 0.5, high: 0.5, kl: 0.01 },
    terms(rollouts, inner, { specialTokens }, kl) {
      const random = rollouts.random('masks', inner);
      const lengths = rollouts.completions.reduce((sum, { length }) => sum + length, 0);
      return withSignal(rollouts, kl).map((completion) => ({
        sequence: coupledViews(completion, specialTokens.mask, random),
        advantage: completion.advantage,
        weights: Float32Array.from(completion.tokens, (_, i) => (i < completion.length ? 1 / lengths : 0)),
      }));
    },
  },
  { paper: 'arXiv 2506.20639', description: 'DiffuCoder: clipped token ratios from complementary masks' },
);

/** The three versions, with the weights that estimate a token's log-probability. */
export function coupledViews(text: CompletionText, mask: number, random: Random): ScoredSequence {
  const ratio = 0.2 + 0.6 * random.uniform();
  const masked = Uint8Array.from({ length: text.length }, () => Number(random.uniform() < ratio));
  const view = (bits: ArrayLike<number>, weight: number) =>
    maskedView(text, completionMask(text, bits), mask, (i) => (bits[i] ? weight / 2 : 0));
  return [
    view(new Uint8Array(text.length).fill(1), 1),
    view(masked, 1 / ratio),
    view(
      masked.map((bit) => 1 - bit),
      1 / (1 - ratio),
    ),
  ];
}

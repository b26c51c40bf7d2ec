/**
 * UniGRPO of MMaDA (arXiv 2505.15809): GRPO on partly masked completions, with mask ratios spread over the inner
 * updates, so that later denoising steps are covered as well as the first:
 *
 *     p_0 ~ U(0, 1) for each completion;   p_k = p_0 + (1 - p_0) k / mu in inner update k of mu
 *     loss = - mean_j 1/|M_j| sum_{i in M_j} min(rho_i A_j, clip(rho_i, 1 - eps, 1 + eps) A_j) + kl k3
 *
 * over masked tokens only; the prompt is never masked. Old policy and reference use the same mask. Uncertain: this
 * follows a description, not the section of the paper. The schedule follows the description in SPG (arXiv 2510.09541), and clipping (0.2)
 * and kl (0.01) are GRPO's usual values.
 */
import { randomMask } from '../../diffusion/masking.ts';
import { completionMask } from '../likelihoods/elbo-views.ts';
import { maskedView } from '../likelihoods/scored-sequences.ts';
import { clippedObjective, withSignal } from './clipped-method.ts';

export const uniGrpo = clippedObjective(
  {
    name: 'unigrpo',
    unit: 'token',
    penalty: 'k3',
    logProbs: 'model',
    defaults: { low: 0.2, high: 0.2, kl: 0.01 },
    terms(rollouts, inner, { settings, specialTokens }, kl) {
      const first = rollouts.random('first mask ratio');
      const random = rollouts.random('masks', inner);
      const starts = new Map(rollouts.completions.map((completion) => [completion, first.uniform()]));
      return withSignal(rollouts, kl).map((completion) => {
        const start = starts.get(completion) as number;
        const ratio = start + ((1 - start) * inner) / settings.inner_updates;
        const count = Math.max(1, Math.round(ratio * completion.length));
        const masked = randomMask(completion.length, count, random);
        const weight = 1 / count / rollouts.completions.length;
        return {
          sequence: [
            maskedView(completion, completionMask(completion, masked), specialTokens.mask, (i) => (masked[i] ? 1 : 0)),
          ],
          advantage: completion.advantage,
          weights: Float32Array.from(completion.tokens, (_, i) => (masked[i] ? weight : 0)),
        };
      });
    },
  },
  {
    paper: 'arXiv 2505.15809',
    description: 'UniGRPO: clipped ratios of masked tokens, mask ratios spread over the updates',
  },
);

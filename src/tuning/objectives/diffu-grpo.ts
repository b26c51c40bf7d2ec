/**
 * diffu-GRPO of d1 (arXiv 2504.12216): GRPO's clipped ratio per token, on a mean-field estimate of the
 * log-probabilities from one pass. The whole completion is masked, and each prompt token with probability
 * `clean_token_masking`, with new masks in every inner update:
 *
 *     logp_i = log pi(x_i | c~, m ... m),   rho_i = exp(logp_i - old_i)
 *     loss   = - mean_i min(rho_i A, clip(rho_i, 1 - eps, 1 + eps) A) + kl mean_i k3(reference_i - logp_i)
 *
 * with the mean over all tokens of the step, as in the released trainer. Left out: the supervised warm-up on s1K that
 * distinguishes "d1" from "diffu-GRPO". The paper's values (eps 0.5, kl 0.04) are the defaults; the paper uses 8 to 12
 * inner updates and renews the reference every 64 of them (`inner_updates`, `reference_every`).
 */

import { oneStepView } from '../likelihoods/elbo-views.ts';
import { clippedObjective, withSignal } from './clipped-method.ts';

export const diffuGrpo = clippedObjective(
  {
    name: 'diffu-grpo',
    unit: 'token',
    penalty: 'k3',
    logProbs: 'model',
    defaults: { low: 0.5, high: 0.5, kl: 0.04 },
    terms(rollouts, inner, { settings, specialTokens }, kl) {
      const random = rollouts.random('masks', inner);
      const lengths = rollouts.completions.reduce((sum, { length }) => sum + length, 0);
      return withSignal(rollouts, kl).map((completion) => ({
        sequence: [
          oneStepView(completion, { promptMasking: settings.clean_token_masking, mask: specialTokens.mask, random }),
        ],
        advantage: completion.advantage,
        weights: Float32Array.from(completion.tokens, (_, i) => (i < completion.length ? 1 / lengths : 0)),
      }));
    },
  },
  { paper: 'arXiv 2504.12216', description: 'd1: clipped token ratios on a one-step estimate, held near a reference' },
);

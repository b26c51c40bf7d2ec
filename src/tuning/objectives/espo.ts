/**
 * ESPO, ELBO-based sequence-level policy optimisation (arXiv 2512.03759, and its released trainer): the whole
 * completion is one sequence, and its ELBO replaces its log-likelihood,
 *
 *     rho = exp((ELBO - ELBO_old) / n),   loss = mean_j( -min(rho A, clip(rho, 1 - eps, 1 + eps) A) + kl/n 1/2 (ELBO - ELBO_ref)^2 )
 *
 * The ELBO is estimated from coupled pairs: x masked tokens, x uniform on {0 .. n} and spread evenly over the step's
 * completions, each with the weight (n + 1) / x, and the complement with (n + 1) / (n - x), half of each. The
 * estimate is unbiased, because x has the same expected weight as in the ELBO, whose weight is n / x for x in {1 .. n}. All three policies use the same masks. `mask_samples` / 2 pairs
 * are drawn, at least one. The released values (clip 0.2, kl 0.01) are the defaults. Differs: n counts a completion's
 * own tokens up to its end of text, where the released code uses the canvas; and counts are spread by strata of equal
 * width, not by a rounded grid.
 */
import { randomMask } from '../../diffusion/masking.ts';
import type { Random } from '../../platform/random.ts';
import { type CompletionText, completionMask } from '../likelihoods/elbo-views.ts';
import { maskedView, type ScoredSequence } from '../likelihoods/scored-sequences.ts';
import { clippedObjective, withSignal } from './clipped-method.ts';

export const espo = clippedObjective(
  {
    name: 'espo',
    unit: 'sequence',
    penalty: 'k2',
    logProbs: 'model',
    defaults: { low: 0.2, high: 0.2, kl: 0.01 },
    terms(rollouts, inner, { settings, specialTokens }, kl) {
      const random = rollouts.random('masks', inner);
      const pairs = Math.max(1, Math.floor(settings.mask_samples / 2));
      const used = withSignal(rollouts, kl);
      const count = rollouts.completions.length;
      const stratified = Array.from({ length: pairs }, () => {
        const shift = random.uniform();
        return random.shuffle(used.keys()).map((position) => (position + shift) / used.length);
      });
      return used.map((completion, index) => {
        const { length } = completion;
        const draws = stratified.map((times) => Math.floor((times[index] as number) * (length + 1)));
        return {
          // Per token, so that the ratio is the n-th root of the sequence's ratio.
          sequence: draws.flatMap((masked) =>
            pairOfViews(completion, masked, 1 / pairs / length, specialTokens.mask, random),
          ),
          advantage: completion.advantage,
          weights: 1 / count,
          klWeight: length / count,
        };
      });
    },
  },
  { paper: 'arXiv 2512.03759', description: 'ESPO: one clipped ratio of ELBOs for the whole completion' },
);

/** Two views, one with `count` masked tokens and one with the others. Their scores sum to `scale` times an ELBO. */
export function pairOfViews(
  text: CompletionText,
  count: number,
  scale: number,
  mask: number,
  random: Random,
): ScoredSequence {
  const { length } = text;
  const masked = randomMask(length, count, random);
  const others = masked.map((bit) => 1 - bit);
  return [
    { bits: masked, size: count },
    { bits: others, size: length - count },
  ].map(({ bits, size }) => {
    const weight = (0.5 * scale * (length + 1)) / size;
    return maskedView(text, completionMask(text, bits), mask, (i) => (bits[i] ? weight : 0));
  });
}

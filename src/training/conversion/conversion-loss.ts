import { total } from '../../graph/compositions.ts';
import { add, mul, neg } from '../../graph/primitives.ts';
import type { Loss } from '../trainer.ts';

/** The weights of the two losses, and the share of a row in its step. */
export interface LossWeights {
  readonly causal: number;
  readonly denoising: number;
}

/**
 * The autoregressive loss of the texts plus the denoising loss of their canvases, each a mean over its predictions (`packRow`).
 * The two are trained together (Nemotron-Labs-Diffusion, arXiv 2607.05722).
 */
export const conversionLoss = ({ causal, denoising }: LossWeights): Loss => ({
  name: `conversion ${causal} ${denoising}`,
  define: ({ logp, extra }) => {
    const causalLoss = neg(total(mul(logp, extra('causal'))));
    const denoisingLoss = neg(total(mul(logp, extra('denoising'))));
    return {
      loss: add(mul(causalLoss, causal), mul(denoisingLoss, denoising)),
      metrics: { causal: causalLoss, denoising: denoisingLoss },
    };
  },
});

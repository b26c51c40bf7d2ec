import { maskExactCount } from '../../diffusion/masking.ts';
import type { Random } from '../../platform/random.ts';
import type { ScoredCompletion } from '../objectives/objective.ts';
import { maskedView, type ScoredSequence, type View } from './scored-sequences.ts';

/** A completion in its context, as likelihood estimates read it. */
export type CompletionText = Pick<ScoredCompletion, 'prompt' | 'suffix' | 'constraints' | 'tokens' | 'length'>;

/** Extends a mask over a completion's text to prompt and completion. Everything after the end of the text is masked. */
export function completionMask({ prompt, tokens, length }: CompletionText, text: ArrayLike<number>): Uint8Array {
  const masked = new Uint8Array(prompt.length + tokens.length).fill(1, prompt.length + length);
  masked.set(Array.from(text), prompt.length);
  return masked;
}

/**
 * Views whose score is the ELBO, in nats: l ~ U{1..n} tokens are masked in each of `samples` views, and each masked
 * token's log-probability has the weight n / l (LLaDA, arXiv 2502.09992, equation 6). `scale` multiplies the score.
 */
export function elboViews(
  text: CompletionText,
  samples: number,
  mask: number,
  random: Random,
  scale = 1,
): ScoredSequence {
  return Array.from({ length: samples }, (): View => {
    const { masked, weight } = maskExactCount(text.length, random);
    return maskedView(text, completionMask(text, masked), mask, (i) => (masked[i] ? (scale * weight) / samples : 0));
  });
}

/**
 * The one-step estimate of d1 (diffu-GRPO, arXiv 2504.12216): the whole completion is masked, and each prompt token
 * with a probability. One pass gives log pi(x_i | prompt) of every token as if they were independent.
 */
export function oneStepView(
  text: CompletionText,
  { promptMasking, mask, random }: { promptMasking: number; mask: number; random: Random },
): View {
  const masked = new Uint8Array(text.prompt.length + text.tokens.length).fill(1, text.prompt.length);
  for (let position = 0; position < text.prompt.length; position++)
    masked[position] = Number(random.uniform() < promptMasking);
  return maskedView(text, masked, mask, (i) => (i < text.length ? 1 : 0));
}

import type { ModelConfig } from './config.ts';

/** Whether a model fills gaps by writing their middles from the left, as one with `causal` attention does. */
export const fillsFromTheLeft = (config: ModelConfig): boolean =>
  config.eom_token_id !== undefined && config.attention === 'causal';

/**
 * What an autoregressive model reads before it writes a middle: prefix, suffix, middle (PSM; M. Bavarian et al., "Efficient
 * training of language models to fill in the middle", arXiv 2207.14255, section 3). The vocabulary's own special tokens
 * are the sentinels: the mask stands where the gap is, the end of text behind the suffix.
 */
export const givenForMiddle = (
  prefix: readonly number[],
  suffix: readonly number[],
  { mask, eos }: { readonly mask: number; readonly eos: number },
): number[] => [...prefix, mask, ...suffix, eos];

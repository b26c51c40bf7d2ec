import { isAutoregressive, type ModelConfig, maskToken } from './config.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Whether an autoregressive model was trained here to fill gaps, with the end of a middle as a token of its own. */
export const fillsFromTheLeft = (config: ModelConfig): boolean =>
  config.eom_token_id !== undefined && isAutoregressive(config);

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

/** How an autoregressive model is asked for the middle of a gap. */
export interface MiddleFormat {
  /** Whether the text after the gap is read. */
  readonly readsSuffix: boolean;
  /** Tokens that the format itself takes. */
  readonly overhead: number;
  /** What is read before the middle is written. */
  given(prefix: readonly number[], suffix: readonly number[]): number[];
  /** The tokens that end a middle, the first of which stands for all of them. */
  readonly ends: readonly [number, ...number[]];
}

/** Sentinels of published models of code: before the prefix, before the suffix, before the middle. */
const sentinels = [
  // Qwen2.5-Coder (arXiv 2409.12186)
  ['<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>'],
  // StarCoder (arXiv 2305.06161)
  ['<fim_prefix>', '<fim_suffix>', '<fim_middle>'],
] as const;

/**
 * The format of a model that was trained here, else that of a published model. One with sentinels in its vocabulary reads
 * prefix and suffix; one without reads the prefix alone, for it was never trained to look ahead. A published model has no token
 * for the end of a middle, so each of its special tokens is an end.
 */
export function middleFormat(config: ModelConfig, tokenizer: Tokenizer): MiddleFormat {
  const { eos_token_id: eos, eom_token_id: eom } = config;
  if (eom !== undefined) {
    const special = { mask: maskToken(config), eos };
    return {
      readsSuffix: true,
      overhead: 2,
      given: (prefix, suffix) => givenForMiddle(prefix, suffix, special),
      ends: [eom],
    };
  }
  const start = tokenizer.startTokens;
  const ends = [eos, ...tokenizer.specialTokens.filter((id) => id !== eos)] as const;
  for (const names of sentinels) {
    const [before, after, middle] = names.map((name) => tokenizer.specialToken(name));
    if (before === undefined || after === undefined || middle === undefined) continue;
    return {
      readsSuffix: true,
      overhead: start.length + 3,
      given: (prefix, suffix) => [...start, before, ...prefix, after, ...suffix, middle],
      ends,
    };
  }
  // Something must be read before the first token can be predicted.
  const first = start.length > 0 ? start : [eos];
  return { readsSuffix: false, overhead: first.length, given: (prefix) => [...first, ...prefix], ends };
}

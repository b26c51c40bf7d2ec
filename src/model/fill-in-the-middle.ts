import { isAutoregressive, type ModelConfig, maskToken } from './config.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Whether a model is autoregressive and was trained to fill gaps, with a special token for the end of the middle. */
export const fillsFromTheLeft = (config: ModelConfig): boolean =>
  config.eom_token_id !== undefined && isAutoregressive(config);

/**
 * The prompt after which an autoregressive model generates the middle, in the order prefix, suffix, middle (PSM; M. Bavarian et
 * al., "Efficient training of language models to fill in the middle", arXiv 2207.14255, section 3). Existing special tokens
 * serve as sentinels: the mask marks the gap, and the end of text follows the suffix.
 */
export const contextOfMiddle = (
  prefix: readonly number[],
  suffix: readonly number[],
  { mask, eos }: { readonly mask: number; readonly eos: number },
): number[] => [...prefix, mask, ...suffix, eos];

/** The prompt format in which an autoregressive model fills a gap. */
export interface MiddleFormat {
  /** Whether the text after the gap is read. */
  readonly readsSuffix: boolean;
  /** Number of tokens that the format adds to prefix and suffix. */
  readonly overhead: number;
  /** The tokens to read before the middle is written. */
  promptFor(prefix: readonly number[], suffix: readonly number[]): number[];
  /** The tokens that end a middle, of which the first represents all. */
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
 * The format that a model was trained with. A model with a token for the end of a middle was trained by the code recipe. A
 * published model with sentinels in its vocabulary reads prefix and suffix; without sentinels it reads only the prefix,
 * because it was not trained to read a suffix. It has no token for the end of a middle, so every special token ends one.
 */
export function middleFormat(config: ModelConfig, tokenizer: Tokenizer): MiddleFormat {
  const { eos_token_id: eos, eom_token_id: eom } = config;
  if (eom !== undefined) {
    const special = { mask: maskToken(config), eos };
    return {
      readsSuffix: true,
      overhead: 2,
      promptFor: (prefix, suffix) => contextOfMiddle(prefix, suffix, special),
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
      promptFor: (prefix, suffix) => [...start, before, ...prefix, after, ...suffix, middle],
      ends,
    };
  }
  // The first token of an empty text can be predicted only if another token comes before it.
  const first = start.length > 0 ? start : [eos];
  return { readsSuffix: false, overhead: first.length, promptFor: (prefix) => [...first, ...prefix], ends };
}

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

/** The special tokens of the suffix-first format. */
export interface SuffixFirstTokens {
  readonly mask: number;
  /** The token between suffix and prefix. */
  readonly prefix: number;
}

/**
 * The context of a gap in the order suffix, prefix, which the middle follows (SPM; arXiv 2207.14255, section 3). While somebody
 * types, tokens are only added at its end, so keys and values of causal attention stay valid. The mask marks the gap before the
 * suffix.
 */
export const suffixFirst = (
  prefix: readonly number[],
  suffix: readonly number[],
  tokens: SuffixFirstTokens,
): number[] => [tokens.mask, ...suffix, tokens.prefix, ...prefix];

/** The tokens of the suffix-first format if a model reads gaps in it; null if it does not. */
export function suffixFirstTokens(config: ModelConfig): SuffixFirstTokens | null {
  const { prefix_token_id: prefix } = config;
  return prefix === undefined ? null : { mask: maskToken(config), prefix };
}

/** The number of tokens that `suffixFirst` adds to prefix and suffix. */
export const suffixFirstOverhead = 2;

/** Special tokens before and after a whole text. */
export interface TextEdges {
  readonly begin: number;
  readonly end: number;
}

/**
 * The special tokens around the text whose gap a model of the family Dream fills: its beginning-of-text token before the prefix, its
 * end of text after the suffix (DreamOn, https://github.com/DreamLM/DreamOn). Null for other models, and for a tokenizer that names no
 * such tokens.
 */
export function textEdges(config: ModelConfig, tokenizer: Tokenizer): TextEdges | null {
  const published = config.published_config as { model_type?: unknown } | undefined;
  if (published?.model_type !== 'Dream') return null;
  const [begin, end] = [tokenizer.namedToken('bos_token'), tokenizer.namedToken('eos_token')];
  return begin === undefined || end === undefined ? null : { begin, end };
}

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
  const converted = suffixFirstTokens(config);
  if (eom !== undefined && converted)
    return {
      readsSuffix: true,
      overhead: suffixFirstOverhead,
      promptFor: (prefix, suffix) => suffixFirst(prefix, suffix, converted),
      ends: [eom],
    };
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

import type { Tokenizer } from '../model/tokenizer.ts';
import type { Frame } from '../protocol/sample.ts';

/** The record of how a completion was denoised, in memory or from a file. The lists have one entry per token. */
export interface DenoisingRecord {
  readonly tokens: ArrayLike<number>;
  readonly revealedAt: ArrayLike<number>;
  readonly confidence: ArrayLike<number>;
  /** Denoising steps. */
  readonly forwards: number;
}

/** The canvas after every denoising step. */
export function framesOf({ tokens, revealedAt, confidence, forwards }: DenoisingRecord, tokenizer: Tokenizer): Frame[] {
  const texts = Array.from(tokens, (token) => tokenizer.decode([token], { special: true }));
  return Array.from({ length: forwards }, (_, step) => {
    const at = <T>(values: ArrayLike<T>) =>
      texts.map((_, position) => ((revealedAt[position] as number) <= step ? (values[position] as T) : null));
    return { step, tokens: at(texts), revealedAt: at(revealedAt), confidence: at(confidence) };
  });
}

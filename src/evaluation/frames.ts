import type { Tokenizer } from '../model/tokenizer.ts';
import type { Frame } from '../protocol/sample.ts';

/** What a finished completion remembers of its making, in memory or in a file; lists of one length, one entry per token. */
export interface Remembered {
  readonly tokens: ArrayLike<number>;
  readonly revealedAt: ArrayLike<number>;
  readonly confidence: ArrayLike<number>;
  /** Denoising steps. */
  readonly forwards: number;
}

/** The canvas after every denoising step. */
export function framesOf({ tokens, revealedAt, confidence, forwards }: Remembered, tokenizer: Tokenizer): Frame[] {
  const texts = Array.from(tokens, (token) => tokenizer.decode([token], { special: true }));
  return Array.from({ length: forwards }, (_, step) => {
    const at = <T>(values: ArrayLike<T>) =>
      texts.map((_, place) => ((revealedAt[place] as number) <= step ? (values[place] as T) : null));
    return { step, tokens: at(texts), revealedAt: at(revealedAt), confidence: at(confidence) };
  });
}

import type { Denoised } from '../diffusion/denoise.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import type { Frame } from '../protocol/sample.ts';

/** The canvas after every denoising step, from what a finished completion remembers of its making. */
export function framesOf({ tokens, revealedAt, confidence, forwards }: Denoised, tokenizer: Tokenizer): Frame[] {
  const texts = [...tokens].map((token) => tokenizer.decode([token], { special: true }));
  return Array.from({ length: forwards }, (_, step) => {
    const at = <T>(values: ArrayLike<T>) =>
      texts.map((_, place) => ((revealedAt[place] as number) <= step ? (values[place] as T) : null));
    return { step, tokens: at(texts), revealedAt: at(revealedAt), confidence: at(confidence) };
  });
}

import type { InfillCanvas } from '../diffusion/infill.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Frame } from '../protocol/sample.ts';

/** A canvas as it stands, for who watches: texts of tokens, null where masked. */
export function frameOf(
  { tokens, revealedAt, confidence }: InfillCanvas,
  step: number,
  { config, tokenizer }: Pick<LanguageModel, 'config' | 'tokenizer'>,
): Frame {
  const isOpen = (place: number) => tokens[place] === config.mask_token_id;
  const at = <T>(value: (place: number) => T) =>
    Array.from(tokens, (_, place) => (isOpen(place) ? null : value(place)));
  return {
    step,
    // Nothing stands behind the end of the middle: its places are empty.
    tokens: at((place) => (tokens[place] === config.eom_token_id ? '' : tokenizer.decode([tokens[place] as number]))),
    revealedAt: at((place) => revealedAt[place] as number),
    confidence: at((place) => confidence[place] as number),
  };
}

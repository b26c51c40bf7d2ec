import type { WatchedCanvas } from '../diffusion/canvas.ts';
import type { InfillRequest } from '../diffusion/infill.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Frame } from '../protocol/sample.ts';

/** Runners-up that are kept of every token, for who watches. */
export const watchedRunnersUp = 4;

/** What stands before a canvas that repeats the end of it. */
export const withoutEnd = (prefix: string, begun: string): string => prefix.slice(0, prefix.length - begun.length);

/** A canvas as it stands, for who watches: texts of tokens, null where masked. */
export function frameOf(
  { tokens, revealedAt, confidence, runnersUp, step }: WatchedCanvas,
  { config, tokenizer }: Pick<LanguageModel, 'config' | 'tokenizer'>,
): Frame {
  const isOpen = (place: number) => tokens[place] === config.mask_token_id;
  const at = <T>(value: (place: number) => T) =>
    Array.from(tokens, (_, place) => (isOpen(place) ? null : value(place)));
  // Nothing stands behind the end of the middle: its places are empty.
  const textOf = (token: number) => (token === config.eom_token_id ? '' : tokenizer.decode([token]));
  return {
    step: step - 1,
    tokens: at((place) => textOf(tokens[place] as number)),
    revealedAt: at((place) => revealedAt[place] as number),
    confidence: at((place) => confidence[place] as number),
    ...(runnersUp
      ? {
          runnersUp: runnersUp.map(
            (others) => others?.map(({ token, probability }) => ({ token: textOf(token), probability })) ?? null,
          ),
        }
      : {}),
  };
}

/** The frames of every alternative, as `watch` sees them come. */
export function recordFrames(
  model: Pick<LanguageModel, 'config' | 'tokenizer'>,
  alternatives: number,
  onFrame: (alternative: number, frame: Frame) => void = () => undefined,
) {
  const frames: Frame[][] = Array.from({ length: alternatives }, () => []);
  const watch: NonNullable<InfillRequest['watch']> = (alternative, canvas) => {
    const frame = frameOf(canvas, model);
    frames[alternative]?.push(frame);
    onFrame(alternative, frame);
  };
  return { frames, watch };
}

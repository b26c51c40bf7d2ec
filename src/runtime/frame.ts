import type { Canvas } from '../diffusion/canvas.ts';
import type { InfillHooks } from '../diffusion/infill.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Frame } from '../protocol/sample.ts';

/** Runners-up that are kept of every token of a canvas that is watched. */
export const watchedRunnersUp = 4;

/** The prefix without its end, which the canvas repeats (token healing). */
export const withoutEnd = (prefix: string, healed: string): string => prefix.slice(0, prefix.length - healed.length);

/** A canvas as it is shown: texts of tokens, null where masked. */
export function frameOf(
  { tokens, revealedAt, confidence, runnersUp, forwards }: Canvas,
  { config, tokenizer }: Pick<LanguageModel, 'config' | 'tokenizer'>,
): Frame {
  const isOpen = (position: number) => tokens[position] === config.mask_token_id;
  const at = <T>(value: (position: number) => T) =>
    Array.from(tokens, (_, position) => (isOpen(position) ? null : value(position)));
  // Positions from the end of the middle on are empty.
  const textOf = (token: number) => (token === config.eom_token_id ? '' : tokenizer.decode([token]));
  return {
    step: forwards - 1,
    tokens: at((position) => textOf(tokens[position] as number)),
    revealedAt: at((position) => revealedAt[position] as number),
    confidence: at((position) => confidence[position] as number),
    ...(runnersUp
      ? {
          runnersUp: runnersUp.map(
            (others) => others?.map(({ token, probability }) => ({ token: textOf(token), probability })) ?? null,
          ),
        }
      : {}),
  };
}

/** Collects the frames of every alternative from `watch`. */
export function recordFrames(
  model: Pick<LanguageModel, 'config' | 'tokenizer'>,
  alternatives: number,
  onFrame: (alternative: number, frame: Frame) => void = () => undefined,
) {
  const frames: Frame[][] = Array.from({ length: alternatives }, () => []);
  const watch: NonNullable<InfillHooks['watch']> = (alternative, canvas) => {
    const frame = frameOf(canvas, model);
    frames[alternative]?.push(frame);
    onFrame(alternative, frame);
  };
  return { frames, watch };
}

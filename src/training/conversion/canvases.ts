import type { Random } from '../../platform/random.ts';
import type { PackedCanvas } from './packing.ts';

/** How the canvases of a text are masked. */
export interface CanvasSettings {
  /** Tokens of a canvas; 1: no canvases, because the autoregressive loss is the denoising loss of block size 1. */
  readonly width: number;
  /** The largest number of tokens of all canvases of a text. */
  readonly room: number;
  /** The largest masking rate, which rises to 1 during the warm-up (Stable-DiffCoder, arXiv 2601.15892). */
  readonly mostMasked: number;
  /** The share of canvases that are masked completely, as decoding begins. */
  readonly allMasked: number;
  /** Whether every masking is followed by its complement, so that each token is predicted once (LLaDA 2.0, arXiv 2512.15745). */
  readonly complementary: boolean;
  /**
   * Whether a token has the weight 1 / t of the ELBO, with block-clipped noise: t is at least 1 / width (arXiv 2601.15892). Without
   * it, all tokens have the same weight.
   */
  readonly elbo: boolean;
}

/** Weight of the tokens of a canvas after the first end of the middle. */
const fillWeight = 0.1;

/**
 * Canvases that continue a text: the first at `cut`, the others at random places from `from` on. A canvas beyond the end of the
 * text is filled with `end`, the token that the text ends with.
 */
export function drawCanvases(
  tokens: readonly number[],
  { from, cut, end }: Record<'from' | 'cut' | 'end', number>,
  settings: CanvasSettings,
  random: Random,
): PackedCanvas[] {
  const { width, room, complementary } = settings;
  if (width < 2) return [];
  const perStart = complementary ? 2 : 1;
  const starts = Math.floor(room / (perStart * width));
  return Array.from({ length: starts }, (_, index) =>
    index === 0 ? cut : from + random.integer(tokens.length - from),
  ).flatMap((start) => {
    const own = Array.from({ length: width }, (_, index) => tokens[start + index] ?? end);
    const ends = tokens.length - start;
    const importance = own.map((_, index) => (index < ends ? 1 : fillWeight));
    const { masked, rate } = drawMasking(settings, random);
    const weightAt = (t: number) => (settings.elbo ? 1 / Math.max(t, 1 / width) : 1);
    const canvas = (mask: readonly boolean[], t: number): PackedCanvas => ({
      ...{ start, tokens: own, masked: mask },
      weights: importance.map((one) => one * weightAt(t)),
    });
    if (!complementary) return [canvas(masked, rate)];
    const complement = masked.map((one) => !one);
    // The complement of a complete masking has nothing to predict, so the same canvas is masked again.
    if (complement.some((one, index) => one && index > 0)) return [canvas(masked, rate), canvas(complement, 1 - rate)];
    const other = drawMasking({ ...settings, allMasked: 0 }, random);
    return [canvas(masked, rate), canvas(other.masked, other.rate)];
  });
}

/** A masking with at least one masked token after the first, which is predicted from the context alone. */
function drawMasking({ width, mostMasked, allMasked }: CanvasSettings, random: Random) {
  if (random.uniform() < allMasked * mostMasked) return { masked: Array<boolean>(width).fill(true), rate: 1 };
  const rate = Math.max(random.uniform() * mostMasked, 1 / width);
  const masked = Array.from({ length: width }, () => random.uniform() < rate);
  if (!masked.includes(true, 1)) masked[1 + random.integer(width - 1)] = true;
  return { masked, rate };
}

import { DecodingSession } from '../diffusion/decoding-session.ts';
import { canvasContext, contextOverhead, readContext } from '../diffusion/gap-context.ts';
import { canvasWidth, infill } from '../diffusion/infill.ts';
import { maskEvenly } from '../diffusion/masking.ts';
import { healedPrefix } from '../diffusion/token-healing.ts';
import { maskToken } from '../model/config.ts';
import { textEdges } from '../model/fill-in-the-middle.ts';
import type { GenerationDefaults } from '../model/generation.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { Random } from '../platform/random.ts';
import { type Completer, type InfillingItem, isBest, isSingleLine, shownAlternatives } from './infilling.ts';
import { bitsOf } from './left-to-right.ts';

/** How a diffusion model decodes, if it differs from decoding in an editor. */
export interface InfillingDecoding {
  readonly threshold: number;
  readonly contextTokens: number;
  readonly alternatives?: number;
  readonly block?: number;
  readonly decoding?: GenerationDefaults['gap_decoding'];
  /** Whether the canvas has exactly the length of the middle and its end, which is not known when code is completed. */
  readonly lengthGiven?: boolean;
}

/** A completer that decodes as the editor does while the user types, but shows every result. */
export function modelCompleter(
  model: LanguageModel,
  { lengthGiven = false, ...decoding }: InfillingDecoding,
): Completer {
  return async (item) => {
    const width = lengthGiven ? { width: predictedTokens(model.tokenizer, item).tokens.length + 1 } : {};
    const { alternatives } = await infill(
      model,
      { ...item, singleLine: isSingleLine(item), seed: 0, ...shownAlternatives, ...decoding, ...width },
      { isEnough: ({ text }) => isBest(item, text) },
    );
    return alternatives.map(({ text }) => text);
  };
}

/** Masked versions of a canvas by which its bound is estimated, and canvases of a pass. */
const canvasesPerPass = 16;

/**
 * What is predicted of an item: the tokens of the word under way and of the middle, as `infill` has them in its canvas;
 * the text before them is `prefix`.
 */
export function predictedTokens(tokenizer: Tokenizer, { prefix, middle }: Pick<InfillingItem, 'prefix' | 'middle'>) {
  const healed = healedPrefix(tokenizer, prefix);
  return {
    prefix: prefix.slice(0, prefix.length - healed.length),
    tokens: tokenizer.encode(healed + middle),
    /** UTF-16 units of the predicted text. */
    characters: healed.length + middle.length,
  };
}

/**
 * Bits of an item's middle by a masked diffusion model. `bound`: minus the ELBO in binary logarithms of the canvas with the
 * middle, its end and the padding after it, in the exact-count form (LLaDA, arXiv 2502.09992, equation 6) with
 * sixteen masked versions whose counts are spread evenly; its expectation is no less than the bits of the
 * middle when tokens are revealed in a random order. `fromTheLeft`: the exact bits when they are revealed one by one from the
 * left. Neither counts the mask as an outcome.
 */
export class DiffusionLikelihood {
  readonly #model: LanguageModel;
  readonly #contextTokens: number;

  constructor(model: LanguageModel, contextTokens: number) {
    this.#model = model;
    this.#contextTokens = contextTokens;
  }

  bound(item: InfillingItem): Promise<number> {
    return this.#reading(item, async ({ bitsIn, target, width }) => {
      const random = new Random(0, 'bound', item.prefix.length, item.middle.length);
      const maskings = maskEvenly(Array<number>(canvasesPerPass).fill(width), random);
      const mask = maskToken(this.#model.config);
      const canvases = maskings.map(({ masked }) => target.map((token, position) => (masked[position] ? mask : token)));
      const rows = await bitsIn(canvases);
      const sums = maskings.map(({ masked, weight }, row) =>
        [...masked.keys()].reduce(
          (sum, position) => sum + (masked[position] ? weight * rows[row]!(position, target[position] as number) : 0),
          0,
        ),
      );
      return sums.reduce((sum, bits) => sum + bits, 0) / sums.length;
    });
  }

  fromTheLeft(item: InfillingItem): Promise<number> {
    return this.#reading(item, async ({ bitsIn, target, length, width }) => {
      let bits = 0;
      for (let start = 0; start < length; start += canvasesPerPass) {
        // Always as many canvases, so that a pass has one shape.
        const canvases = Array.from({ length: canvasesPerPass }, (_, row) => {
          const canvas = new Int32Array(width).fill(maskToken(this.#model.config));
          canvas.set(target.subarray(0, Math.min(start + row, length - 1)));
          return canvas;
        });
        const rows = await bitsIn(canvases);
        for (let position = start; position < Math.min(length, start + canvasesPerPass); position++)
          bits += rows[position - start]!(position, target[position] as number);
      }
      return bits;
    });
  }

  async #reading<T>(item: InfillingItem, use: (canvas: CanvasReading) => Promise<T>): Promise<T> {
    const { config, tokenizer, generation } = this.#model;
    const width = canvasWidth(generation, isSingleLine(item));
    const { prefix: before, tokens } = predictedTokens(tokenizer, item);
    const edges = textEdges(config, tokenizer);
    const request = { prefix: before, suffix: item.suffix, contextTokens: this.#contextTokens, edges };
    const available = config.max_position_embeddings - width - contextOverhead(config);
    const gap = readContext(tokenizer, request, available);
    const session = new DecodingSession(this.#model);
    try {
      const context = await session.open(canvasContext(config, gap, width));
      const target = new Int32Array(width).fill(config.eom_token_id as number);
      target.set(tokens);
      const positions = [...target.keys()];
      const bitsIn: CanvasReading['bitsIn'] = async (canvases) => {
        const rows = await session.logits(canvases.map((canvas) => ({ context, tokens: canvas, positions })));
        return rows.map((row) => (position, token) => {
          const own = (row[position] as Float32Array).slice();
          own[maskToken(config)] = Number.NEGATIVE_INFINITY;
          return bitsOf(own, token);
        });
      };
      return await use({ bitsIn, target, length: tokens.length + 1, width });
    } finally {
      session.dispose();
    }
  }
}

/** A canvas of an item whose context was read. */
interface CanvasReading {
  /** The canvas as it should be [width]: the middle, its end, and ends after it. */
  readonly target: Int32Array;
  /** Tokens of the middle and its end. */
  readonly length: number;
  readonly width: number;
  /** For each canvas a function that returns the bits of a token at a position. */
  bitsIn(canvases: readonly Int32Array[]): Promise<((position: number, token: number) => number)[]>;
}

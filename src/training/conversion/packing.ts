import { hidden } from '../../model/transformer.ts';
import type { Batch } from '../trainer.ts';

/** A text of a packed row. Its tokens attend causally and are predicted from `predictedFrom` (at least 1) on. */
export interface PackedText {
  readonly tokens: readonly number[];
  readonly predictedFrom: number;
  readonly canvases: readonly PackedCanvas[];
}

/** A canvas that continues the first `start` tokens of its text. */
export interface PackedCanvas {
  readonly start: number;
  /** The tokens to predict [width]. */
  readonly tokens: readonly number[];
  /** Whether each token is masked [width]. */
  readonly masked: readonly boolean[];
  /** The weight of each token's prediction if it is masked [width]. */
  readonly weights: readonly number[];
}

export interface PackedSize {
  /** Tokens of the row; shorter contents are padded. */
  readonly length: number;
  /** Predictions of the row. If there are more, the first ones of the texts are dropped. */
  readonly predictions: number;
}

interface Prediction {
  /** The position in the row whose output predicts the target. */
  readonly row: number;
  readonly target: number;
  /** The weight in the autoregressive loss, and in the denoising loss; one of them is 0. */
  readonly causal: number;
  readonly denoising: number;
}

/**
 * Packs texts and their canvases into one row, so that one pass computes the autoregressive loss of every text and the denoising
 * loss of all canvases (the mask of block diffusion, arXiv 2503.09573, with canvases at any place). A token attends to its own
 * text only: tokens of the text to those before them, tokens of a canvas to the text before the canvas and to the canvas.
 * Therefore block size 1 is the autoregressive loss alone.
 *
 * The output at a position predicts the next token, as in the base. The first token of a canvas is therefore predicted by the text's
 * last token before it, which the autoregressive loss trains, and the canvas has no prediction of it. The weights of both
 * losses are means over their predictions.
 */
export function packRow(
  texts: readonly PackedText[],
  { mask, pad }: Record<'mask' | 'pad', number>,
  size: PackedSize,
): Batch {
  const { length } = size;
  const tokens = new Int32Array(length).fill(pad);
  const positions = new Int32Array(length);
  const visibility = new Float32Array(length * length).fill(hidden);
  const predictions: Prediction[] = [];
  const see = (query: number, from: number, to: number) =>
    visibility.fill(0, query * length + from, query * length + to);
  let at = 0;
  for (const text of texts) {
    const begin = at;
    text.tokens.forEach((token, index) => {
      tokens[begin + index] = token;
      positions[begin + index] = index;
      see(begin + index, begin, begin + index + 1);
      if (index >= text.predictedFrom)
        predictions.push({ row: begin + index - 1, target: token, causal: 1, denoising: 0 });
    });
    at += text.tokens.length;
    for (const { start, tokens: own, masked, weights } of text.canvases) {
      const first = at;
      at += own.length;
      own.forEach((token, index) => {
        const place = first + index;
        tokens[place] = masked[index] ? mask : token;
        positions[place] = start + index;
        see(place, begin, begin + start);
        see(place, first, at);
        if (masked[index] && index > 0)
          predictions.push({ row: place - 1, target: token, causal: 0, denoising: weights[index] as number });
      });
    }
  }
  if (at > length) throw new RangeError(`texts of ${at} tokens do not fit into a row of ${length}`);
  // Every softmax needs a visible key.
  for (let place = at; place < length; place++) see(place, place, place + 1);
  return {
    tokens: { shape: [1, length], data: tokens },
    hidden: { shape: [length, length], data: visibility },
    positions: { shape: [length], data: positions },
    ...predictionTensors(kept(predictions, size.predictions), size.predictions),
  };
}

/** The last `most` predictions, but all of the denoising loss, which are few. */
function kept(predictions: readonly Prediction[], most: number): Prediction[] {
  let surplus = Math.max(0, predictions.length - most);
  return predictions.filter(({ causal }) => causal === 0 || surplus-- <= 0).slice(0, most);
}

function predictionTensors(predictions: readonly Prediction[], size: number) {
  const ints = (value: (one: Prediction) => number) => {
    const data = new Int32Array(size);
    predictions.forEach((one, index) => {
      data[index] = value(one);
    });
    return { shape: [size], data };
  };
  const mean = (value: (one: Prediction) => number) => {
    const data = new Float32Array(size);
    const sum = predictions.reduce((total, one) => total + value(one), 0);
    predictions.forEach((one, index) => {
      data[index] = value(one) === 0 ? 0 : value(one) / sum;
    });
    return { shape: [size], data };
  };
  return {
    rows: ints(({ row }) => row),
    targets: ints(({ target }) => target),
    extra: { causal: mean(({ causal }) => causal), denoising: mean(({ denoising }) => denoising) },
  };
}

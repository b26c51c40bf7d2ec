import { joinTokens } from '../../model/query.ts';
import type { Batch } from '../../training/trainer.ts';

/** A canvas as the model's input, with its target tokens. */
export interface CanvasRow {
  /** The model's input: prompt, canvas and suffix; masked positions hold the mask token. */
  readonly tokens: ArrayLike<number>;
  /** Number of prompt tokens, including the padding on their left. */
  readonly promptLength: number;
  /** The target tokens. */
  readonly targets: ArrayLike<number>;
  /** The position of the first target in `tokens`; default: the end of the prompt. */
  readonly firstTarget?: number;
  /** Number of padding tokens at the beginning; default: none. */
  readonly leftPadding?: number;
  /** Number of suffix tokens; default: none. */
  readonly suffixLength?: number;
  /** Indices of `targets` at which only some tokens were allowed; see `InfillContext`. */
  readonly constraints?: ReadonlyMap<number, Float32Array> | undefined;
}

/** The prompt and the suffix of a completion, as tokens, and the constraints under which it was decoded. */
export interface InfillContext {
  readonly prompt: Int32Array;
  /** Only for models that fill gaps. */
  readonly suffix?: Int32Array;
  /**
   * Positions of the completion at which decoding allowed only some tokens, each with the numbers added to the logits there
   * [vocabulary] (`prefixConstraints`). Every likelihood is renormalised over the allowed tokens. Default: none.
   */
  readonly constraints?: ReadonlyMap<number, Float32Array> | undefined;
}

/**
 * A batch of canvases. `answer` is the largest number of targets; the batch has that many predictions for each row, and entry
 * row * answer + index predicts target `index` of the row.
 */
export function canvasBatch(
  canvases: readonly CanvasRow[],
  pad: number,
): { readonly batch: Omit<Batch, 'extra'>; readonly answer: number } {
  const answer = Math.max(...canvases.map(({ targets }) => targets.length));
  const longest = Math.max(...canvases.map(({ tokens }) => tokens.length));
  const sameLength = canvases.every(({ tokens }) => tokens.length === longest);
  const unpadded = sameLength && canvases.every(({ leftPadding = 0 }) => leftPadding === 0);
  // Texts of different lengths are padded to a bucket, so that few programs are compiled.
  const width = sameLength ? longest : Math.ceil(longest / 16) * 16;
  const tokens = new Int32Array(canvases.length * width).fill(pad);
  const present = new Float32Array(tokens.length);
  const canvas = new Float32Array(tokens.length);
  const rows = new Int32Array(canvases.length * answer);
  const targets = new Int32Array(rows.length);
  canvases.forEach((canvasRow, row) => {
    const { promptLength, firstTarget = promptLength, leftPadding = 0, suffixLength = 0 } = canvasRow;
    const end = row * width + canvasRow.tokens.length;
    tokens.set(canvasRow.tokens, row * width);
    present.fill(1, row * width + leftPadding, end);
    canvas.fill(1, row * width + promptLength, (row + 1) * width);
    canvas.fill(0, end - suffixLength, end);
    for (let index = 0; index < canvasRow.targets.length; index++) {
      rows[row * answer + index] = row * width + firstTarget + index;
      targets[row * answer + index] = canvasRow.targets[index] as number;
    }
  });
  const shape = [canvases.length, width];
  return {
    answer,
    batch: {
      tokens: { shape, data: tokens },
      ...(unpadded ? {} : { present: { shape, data: present } }),
      canvas: { shape, data: canvas },
      rows: { shape: [rows.length], data: rows },
      targets: { shape: [rows.length], data: targets },
      ...logitBiases(canvases, answer),
    },
  };
}

/**
 * The constraints of a batch: a table [k, vocabulary] of the numbers that are added to the logits, whose first row is zeros, and for
 * each prediction the index of its row in the table. k is padded to a power of two, so that few programs are compiled.
 */
function logitBiases(canvases: readonly CanvasRow[], answer: number): Pick<Batch, 'logitBias' | 'biasRows'> {
  const biases = [...new Set(canvases.flatMap(({ constraints }) => [...(constraints?.values() ?? [])]))];
  if (biases.length === 0) return {};
  const vocabulary = (biases[0] as Float32Array).length;
  const size = 2 ** Math.ceil(Math.log2(1 + biases.length));
  const table = new Float32Array(size * vocabulary);
  for (const [index, bias] of biases.entries()) table.set(bias, (1 + index) * vocabulary);
  const rows = new Int32Array(canvases.length * answer);
  for (const [row, { constraints }] of canvases.entries())
    for (const [position, bias] of constraints ?? []) rows[row * answer + position] = 1 + biases.indexOf(bias);
  return {
    logitBias: { shape: [size, vocabulary], data: table },
    biasRows: { shape: [rows.length], data: rows },
  };
}

/** A canvas in its context, as a row without targets. */
export function joinContext({ prompt, suffix = noTokens, constraints }: InfillContext, canvas: ArrayLike<number>) {
  return {
    tokens: joinTokens(prompt, canvas, suffix),
    promptLength: prompt.length,
    suffixLength: suffix.length,
    ...(constraints ? { constraints } : {}),
  };
}

const noTokens = new Int32Array(0);

/** A completion in its context, with masked positions. `masked` covers prompt and completion. */
export function applyMask(
  completion: InfillContext & { readonly tokens: Int32Array },
  masked: ArrayLike<number>,
  mask: number,
) {
  const row = joinContext(completion, completion.tokens);
  for (let position = 0; position < row.tokens.length; position++) if (masked[position]) row.tokens[position] = mask;
  return row;
}

import type { Batch } from '../../training/trainer.ts';

/** A canvas as the model's input, with its target tokens. */
export interface CanvasRow {
  /** Prompt, canvas and suffix; masked positions hold the mask token. */
  readonly seen: ArrayLike<number>;
  /** Number of prompt tokens. */
  readonly prompt: number;
  /** The target tokens. */
  readonly targets: ArrayLike<number>;
  /** The position of the first target; absent: the end of the prompt. */
  readonly from?: number;
  /** Number of empty positions at the beginning. */
  readonly absent?: number;
  /** Number of suffix tokens; absent: none. */
  readonly suffix?: number;
  /** Positions of `wanted` at which only some tokens were allowed; see `InfillContext`. */
  readonly constraints?: ReadonlyMap<number, Float32Array> | undefined;
}

/** The prompt and the suffix of a completion, as tokens, and the constraints under which it was decoded. */
export interface InfillContext {
  readonly prompt: Int32Array;
  /** Only for models that fill gaps. */
  readonly suffix?: Int32Array;
  /**
   * Positions of the completion at which decoding allowed only some tokens, each with what is added to the logits there
   * [vocabulary] (`prefixConstraints`). Every likelihood is renormalised over the allowed tokens. Absent: none.
   */
  readonly constraints?: ReadonlyMap<number, Float32Array> | undefined;
}

/** A batch of canvases, with a prediction for each of their `answer` positions: entry row * answer + position. */
export function canvasBatch(
  canvases: readonly CanvasRow[],
  pad: number,
): { readonly batch: Omit<Batch, 'extra'>; readonly answer: number } {
  const answer = Math.max(...canvases.map(({ targets }) => targets.length));
  const longest = Math.max(...canvases.map(({ seen }) => seen.length));
  const even = canvases.every(({ seen }) => seen.length === longest);
  const whole = even && canvases.every(({ absent = 0 }) => absent === 0);
  // Texts of different lengths are padded to a bucket, so that few programs are compiled.
  const width = even ? longest : Math.ceil(longest / 16) * 16;
  const tokens = new Int32Array(canvases.length * width).fill(pad);
  const present = new Float32Array(tokens.length);
  const canvas = new Float32Array(tokens.length);
  const rows = new Int32Array(canvases.length * answer);
  const targets = new Int32Array(rows.length);
  canvases.forEach(({ seen, prompt, targets: own, from = prompt, absent = 0, suffix = 0 }, row) => {
    const end = row * width + seen.length;
    tokens.set(seen, row * width);
    present.fill(1, row * width + absent, end);
    canvas.fill(1, row * width + prompt, (row + 1) * width);
    canvas.fill(0, end - suffix, end);
    for (let position = 0; position < own.length; position++) {
      rows[row * answer + position] = row * width + from + position;
      targets[row * answer + position] = own[position] as number;
    }
  });
  const shape = [canvases.length, width];
  return {
    answer,
    batch: {
      tokens: { shape, data: tokens },
      ...(whole ? {} : { present: { shape, data: present } }),
      canvas: { shape, data: canvas },
      rows: { shape: [rows.length], data: rows },
      targets: { shape: [rows.length], data: targets },
      ...allowedTokens(canvases, answer),
    },
  };
}

/**
 * The constraints of a batch: a table of what is added to logits, [k, vocabulary] with zeros first, and the row of it for each
 * prediction. k is padded to a power of two, so that few programs are compiled.
 */
function allowedTokens(canvases: readonly CanvasRow[], answer: number): Pick<Batch, 'logitBias' | 'biasRows'> {
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

/** A canvas in its context: the fields of a row, or of a query, that say so. */
export function joinContext({ prompt, suffix = none, constraints }: InfillContext, canvas: ArrayLike<number>) {
  const seen = new Int32Array(prompt.length + canvas.length + suffix.length);
  seen.set(prompt);
  seen.set(canvas, prompt.length);
  seen.set(suffix, prompt.length + canvas.length);
  return { seen, prompt: prompt.length, suffix: suffix.length, ...(constraints ? { constraints } : {}) };
}

const none = new Int32Array(0);

/** A completion in its context, with masked positions. `masked` covers prompt and completion. */
export function applyMask(
  completion: InfillContext & { readonly completion: Int32Array },
  masked: ArrayLike<number>,
  mask: number,
) {
  const row = joinContext(completion, completion.completion);
  for (let position = 0; position < row.seen.length; position++) if (masked[position]) row.seen[position] = mask;
  return row;
}

import type { Batch } from '../training/trainer.ts';

/** A canvas as the model sees it, and the completion whose tokens are asked for there. */
export interface CanvasRow {
  /** Prompt and canvas; masked places hold the mask token. */
  readonly seen: ArrayLike<number>;
  /** Tokens of the prompt. */
  readonly prompt: number;
  /** The tokens asked for. */
  readonly wanted: ArrayLike<number>;
  /** Where the first of them is predicted; absent: at the end of the prompt. */
  readonly from?: number;
  /** Places at the beginning that hold nothing. */
  readonly absent?: number;
}

/** Canvases side by side, and for each a prediction of every one of its `answer` places: entry row * answer + place. */
export function canvasBatch(
  canvases: readonly CanvasRow[],
  pad: number,
): { readonly batch: Omit<Batch, 'extra'>; readonly answer: number } {
  const answer = Math.max(...canvases.map(({ wanted }) => wanted.length));
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
  canvases.forEach(({ seen, prompt, wanted, from = prompt, absent = 0 }, row) => {
    tokens.set(seen, row * width);
    present.fill(1, row * width + absent, row * width + seen.length);
    canvas.fill(1, row * width + prompt, (row + 1) * width);
    for (let place = 0; place < wanted.length; place++) {
      rows[row * answer + place] = row * width + from + place;
      targets[row * answer + place] = wanted[place] as number;
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
    },
  };
}

/** Prompt and completion with the masked places hidden; `masked` covers both. */
export function hide(
  { prompt, completion }: { readonly prompt: Int32Array; readonly completion: Int32Array },
  masked: ArrayLike<number>,
  mask: number,
): Int32Array {
  const seen = new Int32Array(prompt.length + completion.length);
  seen.set(prompt);
  seen.set(completion, prompt.length);
  for (let place = 0; place < seen.length; place++) if (masked[place]) seen[place] = mask;
  return seen;
}

import { type Masking, maskAtRandomTime, maskEvenly, maskExactCount } from '../diffusion/masking.ts';
import { total } from '../graph/compositions.ts';
import { mul, neg } from '../graph/primitives.ts';
import type { Random } from '../platform/random.ts';
import type { Batch, Loss } from './trainer.ts';

/**
 * The masked diffusion loss: minus the ELBO, the sum over masked tokens of w log p (LLaDA, arXiv 2502.09992, equation
 * 3). `weights` [n] are the w, normalised over the step.
 */
export const maskedDiffusionLoss: Loss = {
  name: 'masked diffusion',
  define: ({ logp, extra }) => {
    const loss = neg(total(mul(logp, extra('weights'))));
    return { loss };
  },
};

/** A training text. Its canvases are masked and predicted; the rest is context. */
export interface Example {
  readonly tokens: ArrayLike<number>;
  readonly canvases: readonly ExampleCanvas[];
}

/** A canvas: the tokens [start, end) of an example. */
export interface ExampleCanvas {
  readonly start: number;
  readonly end: number;
  /** The weight of each of its tokens; absent: 1. */
  readonly importance?: ArrayLike<number>;
}

export interface MaskingTokens {
  readonly mask: number;
  readonly pad: number;
}

export const forwardProcesses = ['exact-count', 'random-time', 'stratified'] as const;
export type ForwardProcess = (typeof forwardProcesses)[number];

/** A fixed size of batches, so that a run compiles one program: tokens of each row, and predictions of all rows. */
export interface BatchSize {
  readonly length: number;
  readonly predictions: number;
}

/**
 * A batch of the masked diffusion loss: each canvas is masked by the forward process. The loss is the mean over
 * examples of minus the ELBO per canvas token. With `size`, the batch is padded to it, and masked tokens for which no prediction is left
 * are not masked.
 */
export function maskedDiffusionBatch(
  examples: readonly Example[],
  { mask, pad }: MaskingTokens,
  process: ForwardProcess,
  random: Random,
  size?: BatchSize,
): Batch {
  const longest = Math.max(...examples.map(({ tokens }) => tokens.length));
  // In the stratified process, texts have many lengths. Some batches have equal lengths by chance, which does not justify
  // separate programs, so they are padded too.
  const even =
    size === undefined && process !== 'stratified' && examples.every(({ tokens }) => tokens.length === longest);
  // Texts of different lengths are padded to a bucket, so that few programs are compiled.
  const length = size?.length ?? (even ? longest : Math.ceil(longest / 16) * 16);
  const canvases = examples.flatMap((example, row) => {
    const share = 1 / (examples.length * example.canvases.reduce((sum, one) => sum + importanceOf(one), 0));
    return example.canvases.map((one) => ({ ...one, row, share, count: one.end - one.start }));
  });
  const counts = canvases.map(({ count }) => count);
  const maskings = maskingsOf(counts, process, random);
  const entries = size ? placeWithin(size.predictions, maskings) : placeEntries(counts, maskings, process);
  const tokens = new Int32Array(examples.length * length).fill(pad);
  const present = new Float32Array(examples.length * length);
  const canvas = new Float32Array(examples.length * length);
  const rows = new Int32Array(entries.size);
  const targets = new Int32Array(entries.size);
  const weights = new Float32Array(entries.size);
  examples.forEach((example, row) => {
    tokens.set(example.tokens, row * length);
    present.fill(1, row * length, row * length + example.tokens.length);
  });
  canvases.forEach(({ row, start, end, count, share, importance }, index) => {
    const { masked, weight } = maskings[index] as Masking;
    canvas.fill(1, row * length + start, row * length + end);
    for (let at = 0; at < count; at++) {
      const entry = entries.of(index, at);
      if (entry === null) continue;
      const position = row * length + start + at;
      rows[entry] = position;
      targets[entry] = tokens[position] as number;
      if (!masked[at]) continue;
      tokens[position] = mask;
      weights[entry] = weight * share * (importance?.[at] ?? 1);
    }
  });
  const shape = [examples.length, length];
  const n = [entries.size];
  return {
    tokens: { shape, data: tokens },
    ...(even ? {} : { present: { shape, data: present } }),
    canvas: { shape, data: canvas },
    rows: { shape: n, data: rows },
    targets: { shape: n, data: targets },
    extra: { weights: { shape: n, data: weights } },
  };
}

const importanceOf = ({ start, end, importance }: ExampleCanvas): number =>
  importance ? Array.from(importance).reduce((sum, one) => sum + one, 0) : end - start;

function maskingsOf(counts: readonly number[], process: ForwardProcess, random: Random): Masking[] {
  if (process === 'stratified') return maskEvenly(counts, random);
  return counts.map((count) =>
    process === 'exact-count' ? maskExactCount(count, random) : maskAtRandomTime(count, random),
  );
}

/**
 * The index of each canvas token among the predictions. All canvas tokens have one, or only the masked tokens if
 * their number hardly varies.
 */
function placeEntries(
  counts: readonly number[],
  maskings: readonly Masking[],
  process: ForwardProcess,
): { readonly size: number; of(canvas: number, index: number): number | null } {
  if (process !== 'stratified') {
    const most = Math.max(...counts);
    return { size: counts.length * most, of: (canvas, index) => canvas * most + index };
  }
  let next = 0;
  const positions = maskings.map(({ masked }) => Array.from(masked, (one) => (one ? next++ : null)));
  return {
    size: Math.ceil(next / entryBucket) * entryBucket,
    of: (canvas, index) => positions[canvas]?.[index] ?? null,
  };
}

/** The indices of the masked tokens, as far as there are predictions. */
function placeWithin(size: number, maskings: readonly Masking[]) {
  let next = 0;
  const positions = maskings.map(({ masked }) => Array.from(masked, (one) => (one && next < size ? next++ : null)));
  return { size, of: (canvas: number, index: number) => positions[canvas]?.[index] ?? null };
}

/** The number of predictions is rounded up to a multiple of this, so that few programs are compiled. */
const entryBucket = 256;

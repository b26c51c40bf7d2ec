import { type Masking, maskAtRandomTime, maskEvenly, maskExactCount } from '../diffusion/masking.ts';
import { total } from '../graph/compositions.ts';
import { mul, neg } from '../graph/primitives.ts';
import type { Random } from '../platform/random.ts';
import type { Batch, Loss } from './trainer.ts';

/**
 * The masked diffusion loss: minus the ELBO, the sum over masked tokens of w log p (LLaDA, arXiv 2502.09992,
 * equation 3); `weights` [n] holds w, normalised over the step.
 */
export const maskedDiffusionLoss: Loss = {
  name: 'masked diffusion',
  define: ({ logp, extra }) => {
    const loss = neg(total(mul(logp, extra('weights'))));
    return { loss };
  },
};

/** A text to learn: the tokens between the first `prompt` and the last `suffix` are masked and predicted. */
export interface Example {
  readonly tokens: ArrayLike<number>;
  readonly prompt: number;
  readonly suffix?: number;
  /** How much each predicted token counts; absent: all alike. */
  readonly importance?: ArrayLike<number>;
}

export interface MaskingTokens {
  readonly mask: number;
  readonly pad: number;
}

export const forwardProcesses = ['exact-count', 'random-time', 'stratified'] as const;
export type ForwardProcess = (typeof forwardProcesses)[number];

/**
 * A batch of the masked diffusion loss: each example is masked by the forward process. The loss is the mean over
 * examples of minus the ELBO per token of the completion.
 */
export function maskedDiffusionBatch(
  examples: readonly Example[],
  { mask, pad }: MaskingTokens,
  process: ForwardProcess,
  random: Random,
): Batch {
  const longest = Math.max(...examples.map(({ tokens }) => tokens.length));
  // Where texts have many lengths, one batch in a few is even by chance, which is not worth programs of its own.
  const even = process !== 'stratified' && examples.every(({ tokens }) => tokens.length === longest);
  // Texts of different lengths are padded to a bucket, so that few programs are compiled.
  const length = even ? longest : Math.ceil(longest / 16) * 16;
  const counts = examples.map(predictedTokens);
  const maskings = maskingsOf(counts, process, random);
  const entries = placeEntries(counts, maskings, process);
  const tokens = new Int32Array(examples.length * length).fill(pad);
  const present = new Float32Array(examples.length * length);
  const canvas = new Float32Array(examples.length * length);
  const rows = new Int32Array(entries.size);
  const targets = new Int32Array(entries.size);
  const weights = new Float32Array(entries.size);
  examples.forEach((example, row) => {
    const count = counts[row] as number;
    const { masked, weight } = maskings[row] as Masking;
    const start = row * length + example.prompt;
    tokens.set(example.tokens, row * length);
    present.fill(1, row * length, row * length + example.tokens.length);
    canvas.fill(1, start, start + count);
    for (let index = 0; index < count; index++) {
      const entry = entries.of(row, index);
      if (entry === null) continue;
      rows[entry] = start + index;
      targets[entry] = example.tokens[example.prompt + index] as number;
      if (!masked[index]) continue;
      tokens[start + index] = mask;
      weights[entry] = (weight / count / examples.length) * (example.importance?.[index] ?? 1);
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

const predictedTokens = ({ tokens, prompt, suffix = 0 }: Example): number => tokens.length - prompt - suffix;

function maskingsOf(counts: readonly number[], process: ForwardProcess, random: Random): Masking[] {
  if (process === 'stratified') return maskEvenly(counts, random);
  return counts.map((count) =>
    process === 'exact-count' ? maskExactCount(count, random) : maskAtRandomTime(count, random),
  );
}

/**
 * Where each token's prediction stands among those that are computed: all tokens have a place of their own, or, where
 * their number hardly varies, the masked ones alone.
 */
function placeEntries(
  counts: readonly number[],
  maskings: readonly Masking[],
  process: ForwardProcess,
): { readonly size: number; of(row: number, index: number): number | null } {
  if (process !== 'stratified') {
    const most = Math.max(...counts);
    return { size: counts.length * most, of: (row, index) => row * most + index };
  }
  let next = 0;
  const places = maskings.map(({ masked }) => Array.from(masked, (one) => (one ? next++ : null)));
  return { size: Math.ceil(next / entryBucket) * entryBucket, of: (row, index) => places[row]?.[index] ?? null };
}

/** Numbers of predictions are rounded up to a multiple of this, so that few programs are compiled. */
const entryBucket = 256;

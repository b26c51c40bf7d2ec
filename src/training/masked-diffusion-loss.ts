import { maskAtRandomTime, maskExactCount } from '../diffusion/masking.ts';
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

/** A text to learn: tokens behind `prompt` places are masked and predicted. */
export interface Example {
  readonly tokens: ArrayLike<number>;
  readonly prompt: number;
}

export interface MaskingTokens {
  readonly mask: number;
  readonly pad: number;
}

/**
 * A batch of the masked diffusion loss: each example is masked by the forward process. The loss is the mean over
 * examples of minus the ELBO per token of the completion.
 */
export function maskedDiffusionBatch(
  examples: readonly Example[],
  { mask, pad }: MaskingTokens,
  process: 'exact-count' | 'random-time',
  random: Random,
): Batch {
  const longest = Math.max(...examples.map(({ tokens }) => tokens.length));
  const even = examples.every(({ tokens }) => tokens.length === longest);
  // Texts of different lengths are padded to a bucket, so that few programs are compiled.
  const length = even ? longest : Math.ceil(longest / 16) * 16;
  const predicted = Math.max(...examples.map(({ tokens, prompt }) => tokens.length - prompt));
  const tokens = new Int32Array(examples.length * length).fill(pad);
  const present = new Float32Array(examples.length * length);
  const rows = new Int32Array(examples.length * predicted);
  const targets = new Int32Array(examples.length * predicted);
  const weights = new Float32Array(examples.length * predicted);
  examples.forEach((example, row) => {
    const count = example.tokens.length - example.prompt;
    const { masked, weight } =
      process === 'exact-count' ? maskExactCount(count, random) : maskAtRandomTime(count, random);
    tokens.set(example.tokens, row * length);
    present.fill(1, row * length, row * length + example.tokens.length);
    for (let index = 0; index < count; index++) {
      const place = row * length + example.prompt + index;
      const entry = row * predicted + index;
      rows[entry] = place;
      targets[entry] = example.tokens[example.prompt + index] as number;
      if (!masked[index]) continue;
      tokens[place] = mask;
      weights[entry] = weight / count / examples.length;
    }
  });
  const shape = [examples.length, length];
  const n = [examples.length * predicted];
  return {
    tokens: { shape, data: tokens },
    ...(even ? {} : { present: { shape, data: present } }),
    rows: { shape: n, data: rows },
    targets: { shape: n, data: targets },
    extra: { weights: { shape: n, data: weights } },
  };
}

import type { Random } from '../platform/random.ts';

/** Which tokens of a text are masked, and the weight w of each masked token's log-probability in the ELBO. */
export interface Masking {
  /** 1 where the token is masked. */
  readonly masked: Uint8Array;
  readonly weight: number;
}

/**
 * The forward process with the linear schedule: a time t ~ U(0, 1), every token masked with probability t on its own,
 * weight w(t) = 1/t (LLaDA, arXiv 2502.09992, equation 3). Draws in which nothing is masked contribute nothing.
 */
export function maskAtRandomTime(length: number, random: Random): Masking {
  const t = 1 - random.uniform();
  return { masked: Uint8Array.from({ length }, () => Number(random.uniform() < t)), weight: 1 / t };
}

/**
 * The same expectation with lower variance: a count l ~ U{1..n} of tokens masked without replacement, weight n/l
 * (LLaDA, arXiv 2502.09992, equation 6).
 */
export function maskExactCount(length: number, random: Random): Masking {
  const count = 1 + random.integer(length);
  return { masked: subset(length, count, random), weight: length / count };
}

/**
 * The exact-count form with times spread evenly over a batch of texts (the low-discrepancy sampler of MDLM, arXiv
 * 2406.07524, appendix C, and VDM, arXiv 2107.00630): each text's count is uniform as before, and the batch's sum is
 * nearly constant.
 */
export function maskEvenly(lengths: readonly number[], random: Random): Masking[] {
  const shift = random.uniform();
  const strata = random.shuffle(lengths.keys());
  return lengths.map((length, index) => {
    const t = ((strata[index] as number) + shift) / lengths.length;
    const count = Math.min(length, 1 + Math.floor(t * length));
    return { masked: subset(length, count, random), weight: length / count };
  });
}

/** Masks `count` of `length` tokens, every subset alike. */
export function subset(length: number, count: number, random: Random): Uint8Array {
  const masked = new Uint8Array(length);
  for (const place of random.sample(length, count)) masked[place] = 1;
  return masked;
}

export type EstimatorMasking = 'all' | 'random' | 'block-all' | 'block-random';

export interface EstimatorMaskingOptions {
  readonly masking: EstimatorMasking;
  /** Block length of the semi-autoregressive decoder. */
  readonly block: number;
  /** Masks drawn for one completion (m). */
  readonly samples: number;
  /** Probability with which a clean token, of the prompt or of an earlier block, is masked too. */
  readonly cleanTokenMasking: number;
}

/**
 * The partially masked versions of one completion from which its likelihood bounds are estimated (SPG,
 * arXiv 2510.09541, section 4.3, and its released trainer): block-wise masking keeps the blocks before a random block,
 * masks a random part of that block and all that follows it, as semi-autoregressive decoding meets it. Each result
 * covers prompt and completion.
 *
 * `length` counts the completion's tokens up to and with the first end of text; what follows is always masked.
 * `all` and `block-all` mask every token of the completion, or of the chosen block.
 */
export function estimatorMasks(
  { prompt, completion, length }: { prompt: number; completion: number; length: number },
  { masking, block, samples, cleanTokenMasking }: EstimatorMaskingOptions,
  random: Random,
): Uint8Array[] {
  const blockwise = masking === 'block-all' || masking === 'block-random';
  const size = blockwise ? Math.min(block, completion) : completion;
  const valid = Math.floor((length - 1) / size) + 1;
  // A permutation of all blocks, wrapped to the ones that hold text: a block may repeat, as in the released trainer.
  const blocks = random.shuffle(Array.from({ length: Math.ceil(completion / size) }, (_, index) => index % valid));
  return Array.from({ length: samples }, (_, sample) => {
    const start = (blocks[sample % blocks.length] as number) * size;
    const extent = Math.min(size, length - start);
    const count = masking === 'all' || masking === 'block-all' ? extent : 1 + random.integer(extent);
    const masked = new Uint8Array(prompt + completion);
    for (let place = 0; place < prompt + start; place++) masked[place] = Number(random.uniform() < cleanTokenMasking);
    masked.set(subset(extent, count, random), prompt + start);
    masked.fill(1, prompt + start + extent);
    return masked;
  });
}

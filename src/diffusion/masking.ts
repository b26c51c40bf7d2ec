import type { Random } from '../platform/random.ts';

/** Which tokens of a text are masked, and the weight w of each masked token's log-probability in the ELBO. */
export interface Masking {
  /** 1 where the token is masked. */
  readonly masked: Uint8Array;
  readonly weight: number;
}

/**
 * The forward process with the linear schedule: for a time t ~ U(0, 1), each token is masked independently with probability t,
 * and the weight is w(t) = 1/t (LLaDA, arXiv 2502.09992, equation 3). A draw that masks no token contributes nothing.
 */
export function maskAtRandomTime(length: number, random: Random): Masking {
  const t = 1 - random.uniform();
  return { masked: Uint8Array.from({ length }, () => Number(random.uniform() < t)), weight: 1 / t };
}

/**
 * The same expectation with lower variance: a count l ~ U{1..n} of tokens is masked without replacement, and the weight is n/l
 * (LLaDA, arXiv 2502.09992, equation 6).
 */
export function maskExactCount(length: number, random: Random): Masking {
  const count = 1 + random.integer(length);
  return { masked: randomMask(length, count, random), weight: length / count };
}

/**
 * The exact-count form with times spread evenly over a batch of texts (the low-discrepancy sampler of MDLM, arXiv
 * 2406.07524, appendix C, and VDM, arXiv 2107.00630): the count of each text is uniform as in `maskExactCount`, and the sum of
 * the times over the batch is nearly constant.
 */
export function maskEvenly(lengths: readonly number[], random: Random): Masking[] {
  const shift = random.uniform();
  const strata = random.shuffle(lengths.keys());
  return lengths.map((length, index) => {
    const t = ((strata[index] as number) + shift) / lengths.length;
    const count = Math.min(length, 1 + Math.floor(t * length));
    return { masked: randomMask(length, count, random), weight: length / count };
  });
}

/** A mask of `count` of `length` tokens: 1 where the token is masked. Every subset has the same probability. */
export function randomMask(length: number, count: number, random: Random): Uint8Array {
  const masked = new Uint8Array(length);
  for (const position of random.sample(length, count)) masked[position] = 1;
  return masked;
}

/** How completions are masked for likelihood bounds; see `estimatorMasks`. */
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
 * arXiv 2510.09541, section 4.3, and its released trainer). Each result covers prompt and completion.
 *
 * - `all` masks every token of the completion, and `random` a random number of them.
 * - `block-all` and `block-random` do the same in one random block. They keep the blocks before it and mask everything after it,
 *   like a state of semi-autoregressive decoding.
 *
 * `length` is the number of the completion's tokens up to and including the first end of text; the tokens after it are always
 * masked.
 */
export function estimatorMasks(
  { promptLength, completionLength, length }: { promptLength: number; completionLength: number; length: number },
  { masking, block, samples, cleanTokenMasking }: EstimatorMaskingOptions,
  random: Random,
): Uint8Array[] {
  const blockwise = masking === 'block-all' || masking === 'block-random';
  const size = blockwise ? Math.min(block, completionLength) : completionLength;
  const blocksWithText = Math.floor((length - 1) / size) + 1;
  // A permutation of all blocks, modulo the number of blocks with text, so a block may repeat, as in the released trainer.
  const blocks = random.shuffle(
    Array.from({ length: Math.ceil(completionLength / size) }, (_, index) => index % blocksWithText),
  );
  return Array.from({ length: samples }, (_, sample) => {
    const start = (blocks[sample % blocks.length] as number) * size;
    const extent = Math.min(size, length - start);
    const count = masking === 'all' || masking === 'block-all' ? extent : 1 + random.integer(extent);
    const masked = new Uint8Array(promptLength + completionLength);
    for (let position = 0; position < promptLength + start; position++)
      masked[position] = Number(random.uniform() < cleanTokenMasking);
    masked.set(randomMask(extent, count, random), promptLength + start);
    masked.fill(1, promptLength + start + extent);
    return masked;
  });
}

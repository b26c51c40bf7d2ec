import {
  add,
  constant,
  log,
  mul,
  neg,
  reduceMax,
  reduceSum,
  slice,
  softmax,
  sub,
  topIndices,
  topValues,
} from '../graph/primitives.ts';
import type { HostTensor, Tensor } from '../graph/tensor.ts';

/** A model's prediction of one token, without the mask token, which text never has. */
export interface Prediction {
  /** The most likely tokens in descending order, and the logarithm of each one's probability. */
  readonly tokens: Int32Array;
  readonly logProbabilities: Float32Array;
  /** Entropy in nats. */
  readonly entropy: number;
}

/** The number of most likely tokens that a prediction names. */
export const predictedTokens = 8;

/** Low enough that the mask token has the probability 0, but finite, because infinity times 0 is not a number. */
const excluded = -1e9;

/**
 * Predictions from logits [rows, vocabulary], computed in the program, so that the logits do not leave it: `top` [rows, 8] (i32),
 * `topLogits` [rows, 8], `logSumExp` [rows, 1] and `entropy` [rows, 1]. `mask` is the id of the mask token.
 */
export function predictionsOf(logits: Tensor, mask: number | undefined): Record<string, Tensor> {
  const [, vocabulary] = logits.shape as [number, number];
  const count = Math.min(predictedTokens, vocabulary - 1);
  const allowed = mask === undefined ? logits : add(logits, maskBias(vocabulary, mask));
  const top = topIndices(allowed, count);
  const topLogits = topValues(allowed, count);
  const probabilities = softmax(allowed);
  // The largest probability is 1 / sum exp(logit - largest logit).
  const logSumExp = sub(slice(topLogits, 1, 0, 1), log(reduceMax(probabilities, [1])));
  const meanLogit = reduceSum(mul(probabilities, allowed), [1]);
  return { top, topLogits, logSumExp, entropy: add(logSumExp, neg(meanLogit)) };
}

function maskBias(vocabulary: number, mask: number): Tensor {
  const data = new Float32Array(vocabulary);
  data[mask] = excluded;
  return constant({ shape: [1, vocabulary], data });
}

/** The predictions that a program returned. */
export function readPredictions({ top, topLogits, logSumExp, entropy }: Record<string, HostTensor>): Prediction[] {
  const [rows, count] = top!.shape as [number, number];
  return Array.from({ length: rows }, (_, row) => {
    const [start, end] = [row * count, (row + 1) * count];
    const total = logSumExp!.data[row] as number;
    return {
      tokens: (top!.data as Int32Array).slice(start, end),
      logProbabilities: (topLogits!.data as Float32Array).slice(start, end).map((logit) => logit - total),
      entropy: entropy!.data[row] as number,
    };
  });
}

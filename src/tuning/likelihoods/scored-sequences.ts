/**
 * Most methods compute scores of *scored sequences*. A scored sequence is a completion, or a part of one, seen in one or
 * several views. A view is a masked version of the completion, a state of its decoding trace, or a whole draft to edit. The
 * score is a weighted sum of token log-probabilities over all views. The weights make it an ELBO, a mean, or the
 * log-probability of a denoising step.
 */
import { add, logSoftmax, mul, pick, reduceSum, reshape } from '../../graph/primitives.ts';
import type { HostTensor, Tensor } from '../../graph/tensor.ts';
import type { Batch, Loss, LossInputs } from '../../training/trainer.ts';
import type { ScoredCompletion } from '../objectives/objective.ts';
import { applyMask, type CanvasRow, canvasBatch } from './canvas-batch.ts';
import { microBatches } from './micro-batches.ts';

/** A canvas, and the weight of each target token's log-probability. */
export interface View extends CanvasRow {
  readonly weights: Float32Array;
}

/** The views of a sequence. All sequences of a batch have the same number of views. */
export type ScoredSequence = readonly View[];

/** A view of a completion with masked positions. `masked` covers prompt and completion. */
export function maskedView(
  completion: Pick<ScoredCompletion, 'prompt' | 'suffix' | 'constraints' | 'tokens'>,
  masked: ArrayLike<number>,
  mask: number,
  weightOf: (position: number) => number,
): View {
  return {
    ...applyMask(completion, masked, mask),
    targets: completion.tokens,
    weights: Float32Array.from(completion.tokens, (_, position) => weightOf(position)),
  };
}

/**
 * A batch of sequences: first the first view of every sequence, then the second, and so on. The weights are its input `coefficients` [views, sequences, answer].
 */
export function sequenceBatch(sequences: readonly ScoredSequence[], pad: number): Batch {
  const views = sequences[0]!.length;
  const rows = Array.from({ length: views * sequences.length }, (_, row) => {
    return sequences[row % sequences.length]![Math.floor(row / sequences.length)] as View;
  });
  const { batch, answer } = canvasBatch(rows, pad);
  const data = new Float32Array(rows.length * answer);
  rows.forEach(({ weights }, row) => void data.set(weights, row * answer));
  return { ...batch, extra: { coefficients: { shape: [views, sequences.length, answer], data } } };
}

/** Weighted log-probabilities summed over views, per token: [sequences, answer]. */
export function tokenScores(logp: Tensor, coefficients: Tensor): Tensor {
  const weighted = mul(reshape(logp, coefficients.shape), coefficients);
  return reshape(reduceSum(weighted, [0]), coefficients.shape.slice(1));
}

/** The scores of sequences: `tokenScores`, summed over tokens; [sequences]. */
export function sequenceScores(logp: Tensor, coefficients: Tensor): Tensor {
  return reshape(reduceSum(tokenScores(logp, coefficients), [1]), [-1]);
}

/** Log-probabilities of the sampling distribution of rollouts: softmax(logits / temperature) without the mask. */
export function samplingLogProbs({ logProbabilities, targets, extra }: LossInputs): Tensor {
  const allowed = add(mul(logProbabilities, extra('inverse_temperature')), extra('mask_bias'));
  return pick(logSoftmax(allowed), targets);
}

/** The inputs of `samplingLogProbs`. Greedy rollouts (temperature 0) are scored at temperature 1. */
export function samplingInputs(temperature: number, mask: number, vocabulary: number): Record<string, HostTensor> {
  const bias = new Float32Array(vocabulary);
  bias[mask] = -1e9;
  return {
    inverse_temperature: { shape: [], data: Float32Array.of(1 / (temperature || 1)) },
    mask_bias: { shape: [vocabulary], data: bias },
  };
}

/** Scores of sequences, as plain numbers. */
export interface SequenceScores {
  /** Per token: [answer] each. */
  readonly tokens: Float32Array[];
  readonly sequences: number[];
}

/** Which log-probabilities to use: the model's, or those of the sampling distribution of rollouts. */
export type LogProbKind = 'model' | 'sampling';

const scoringLoss = (logProbs: LogProbKind): Loss => ({
  name: `scores ${logProbs}`,
  define: (inputs) => {
    const coefficients = inputs.extra('coefficients');
    const logp = logProbs === 'sampling' ? samplingLogProbs(inputs) : inputs.logp;
    const sequences = sequenceScores(logp, coefficients);
    return {
      loss: reshape(reduceSum(sequences, [0]), []),
      metrics: { tokens: tokenScores(logp, coefficients), sequences },
    };
  },
});

const scoring = { model: scoringLoss('model'), sampling: scoringLoss('sampling') };

/** Scores sequences under a policy, `size` at a time. */
export async function scoreSequences(
  evaluate: (batch: Batch) => Promise<Record<string, HostTensor>>,
  sequences: readonly ScoredSequence[],
  options: {
    readonly size: number;
    readonly pad: number;
    /** `samplingInputs`, to score under the sampling distribution; default: under the model's. */
    readonly sampling?: Record<string, HostTensor>;
    readonly batchOf?: (sequences: readonly ScoredSequence[], pad: number) => Batch;
  },
): Promise<SequenceScores> {
  const scores: SequenceScores = { tokens: [], sequences: [] };
  const loss = options.sampling ? scoring.sampling : scoring.model;
  for (const { own, full } of microBatches(sequences, Math.min(options.size, sequences.length), (like) => like)) {
    const batch = (options.batchOf ?? sequenceBatch)(full, options.pad);
    const metrics = await evaluate({ ...batch, extra: { ...batch.extra, ...options.sampling }, loss });
    const answer = metrics.tokens!.shape[1] as number;
    own.forEach((_, index) => {
      scores.tokens.push(Float32Array.from(metrics.tokens!.data.subarray(index * answer, (index + 1) * answer)));
      scores.sequences.push(metrics.sequences!.data[index] as number);
    });
  }
  return scores;
}

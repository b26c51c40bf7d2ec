/**
 * What most methods score: an *action* is a text, or a part of one, whose log-probability is a weighted sum of token
 * log-probabilities in one or several views of its canvas. A view is a masked version of a completion, a state of the
 * decoding trace, or a whole draft to be edited; its weights make of it an ELBO, a mean, or the log-probability of a step.
 */
import { add, logSoftmax, mul, pick, reduceSum, reshape } from '../graph/primitives.ts';
import type { HostTensor, Tensor } from '../graph/tensor.ts';
import type { Batch, Loss, LossInputs } from '../training/trainer.ts';
import { type CanvasRow, canvasBatch, hidden } from './canvas-batch.ts';
import { microBatches } from './micro-batches.ts';
import type { ScoredCompletion } from './objectives/objective.ts';

/** A canvas, and how much the log-probability of each token asked for counts. */
export interface View extends CanvasRow {
  readonly weights: Float32Array;
}

/** All actions of a batch have the same number of views. */
export type Action = readonly View[];

/** A view of a completion with some places masked; `masked` covers prompt and completion. */
export function maskedView(
  completion: Pick<ScoredCompletion, 'prompt' | 'suffix' | 'completion'>,
  masked: ArrayLike<number>,
  mask: number,
  weightOf: (place: number) => number,
): View {
  return {
    ...hidden(completion, masked, mask),
    wanted: completion.completion,
    weights: Float32Array.from(completion.completion, (_, place) => weightOf(place)),
  };
}

/** Actions as a batch, view after view: the weights are its input `coefficients` [views, actions, answer]. */
export function actionBatch(actions: readonly Action[], pad: number): Batch {
  const views = actions[0]!.length;
  const rows = Array.from({ length: views * actions.length }, (_, row) => {
    return actions[row % actions.length]![Math.floor(row / actions.length)] as View;
  });
  const { batch, answer } = canvasBatch(rows, pad);
  const data = new Float32Array(rows.length * answer);
  rows.forEach(({ weights }, row) => void data.set(weights, row * answer));
  return { ...batch, extra: { coefficients: { shape: [views, actions.length, answer], data } } };
}

/** Weighted log-probabilities summed over views, per token: [actions, answer]. */
export function tokenScores(logp: Tensor, coefficients: Tensor): Tensor {
  const weighted = mul(reshape(logp, coefficients.shape), coefficients);
  return reshape(reduceSum(weighted, [0]), coefficients.shape.slice(1));
}

/** And over tokens: [actions]. */
export function actionScores(logp: Tensor, coefficients: Tensor): Tensor {
  return reshape(reduceSum(tokenScores(logp, coefficients), [1]), [-1]);
}

/** Log-probabilities under which rollouts draw their tokens: softmax(logits / temperature) without the mask. */
export function drawnLogp({ logProbabilities, targets, extra }: LossInputs): Tensor {
  const allowed = add(mul(logProbabilities, extra('inverse_temperature')), extra('mask_bias'));
  return pick(logSoftmax(allowed), targets);
}

/** The inputs of `drawnLogp`; greedy rollouts (temperature 0) are scored at temperature 1. */
export function drawInputs(temperature: number, mask: number, vocabulary: number): Record<string, HostTensor> {
  const bias = new Float32Array(vocabulary);
  bias[mask] = -1e9;
  return {
    inverse_temperature: { shape: [], data: Float32Array.of(1 / (temperature || 1)) },
    mask_bias: { shape: [vocabulary], data: bias },
  };
}

/** Scores of actions, before they are put into a loss. */
export interface ActionScores {
  /** Per token, [answer] each. */
  readonly tokens: Float32Array[];
  readonly actions: number[];
}

/** How log-probabilities are read: the model's own, or those that rollouts draw from. */
export type Reading = 'model' | 'drawn';

const scoringLoss = (reading: Reading): Loss => ({
  name: `scores ${reading}`,
  define: (inputs) => {
    const coefficients = inputs.extra('coefficients');
    const logp = reading === 'drawn' ? drawnLogp(inputs) : inputs.logp;
    const actions = actionScores(logp, coefficients);
    return {
      loss: reshape(reduceSum(actions, [0]), []),
      metrics: { tokens: tokenScores(logp, coefficients), actions },
    };
  },
});

const scoring = { model: scoringLoss('model'), drawn: scoringLoss('drawn') };

/** Scores actions under a policy, `size` at a time. */
export async function scoreActions(
  evaluate: (batch: Batch) => Promise<Record<string, HostTensor>>,
  actions: readonly Action[],
  options: {
    readonly size: number;
    readonly pad: number;
    readonly draw?: Record<string, HostTensor>;
    readonly batchOf?: (actions: readonly Action[], pad: number) => Batch;
  },
): Promise<ActionScores> {
  const scores: ActionScores = { tokens: [], actions: [] };
  const loss = options.draw ? scoring.drawn : scoring.model;
  for (const { own, full } of microBatches(actions, Math.min(options.size, actions.length), (like) => like)) {
    const batch = (options.batchOf ?? actionBatch)(full, options.pad);
    const found = await evaluate({ ...batch, extra: { ...batch.extra, ...options.draw }, loss });
    const answer = found.tokens!.shape[1] as number;
    own.forEach((_, index) => {
      scores.tokens.push(Float32Array.from(found.tokens!.data.subarray(index * answer, (index + 1) * answer)));
      scores.actions.push(found.actions!.data[index] as number);
    });
  }
  return scores;
}

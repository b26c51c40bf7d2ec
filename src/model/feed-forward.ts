import { linear, silu } from '../graph/compositions.ts';
import {
  add,
  cast,
  constant,
  div,
  equal,
  mul,
  reduceMax,
  reduceSum,
  reshape,
  sigmoid,
  softmax,
  stopGradient,
  where,
} from '../graph/primitives.ts';
import type { Shape, Tensor } from '../graph/tensor.ts';
import { isMixture, type Mixture, type ModelConfig } from './config.ts';
import { project, type Weights } from './projection.ts';

/** Lower than every score, so the expert is never chosen. */
const lowest = -3e38;

/** Names and shapes of the weights of a layer's feed-forward. */
export function feedForwardShapes(config: ModelConfig, layer: number): [name: string, shape: Shape][] {
  const { hidden_size: d, moe } = config;
  const gated = (name: string, width: number): [string, Shape][] => [
    [`${name}.gate_proj.weight`, [width, d]],
    [`${name}.up_proj.weight`, [width, d]],
    [`${name}.down_proj.weight`, [d, width]],
  ];
  if (!moe || !isMixture(config, layer)) return gated('mlp', config.intermediate_size);
  return [
    ['mlp.gate.weight', [moe.num_experts, d]],
    ...(moe.expert_bias ? [['mlp.gate.expert_bias', [moe.num_experts]] as [string, Shape]] : []),
    ...gated('mlp.experts', moe.num_experts * moe.intermediate_size),
    ...(moe.shared_intermediate_size === undefined ? [] : gated('mlp.shared_experts', moe.shared_intermediate_size)),
  ];
}

/** The inner width of a layer's feed-forward. It includes all experts, because all of them are computed. */
export function feedForwardWidth(config: ModelConfig, layer: number): number {
  const { moe } = config;
  if (!moe || !isMixture(config, layer)) return config.intermediate_size;
  return moe.num_experts * moe.intermediate_size + (moe.shared_intermediate_size ?? 0);
}

/**
 * A layer's feed-forward of x [..., hidden_size]. The experts of a mixture are concatenated, expert 0 first, to one wide
 * feed-forward whose inner activations are multiplied by the routing weights. Every expert is computed for every token,
 * and experts that were not chosen have weight 0. This is exact, but costs num_experts / num_experts_per_tok times more.
 */
export function feedForward(config: ModelConfig, layer: number, of: Weights, x: Tensor): Tensor {
  const { moe } = config;
  if (!moe || !isMixture(config, layer)) return gatedLinear(of, 'mlp', x);
  const weights = routingWeights(moe, of, x);
  const routed = gatedLinear(of, 'mlp.experts', x, (inner) => {
    const byExpert = reshape(inner, [...weights.shape, moe.intermediate_size]);
    return reshape(mul(byExpert, reshape(weights, [...weights.shape, 1])), inner.shape);
  });
  return moe.shared_intermediate_size === undefined ? routed : add(routed, gatedLinear(of, 'mlp.shared_experts', x));
}

/** SwiGLU (arXiv 2002.05202); `weigh` receives the inner activations [..., width]. */
function gatedLinear(of: Weights, name: string, x: Tensor, weigh = (inner: Tensor) => inner): Tensor {
  const gated = mul(silu(project(of, `${name}.gate_proj`, x)), project(of, `${name}.up_proj`, x));
  return project(of, `${name}.down_proj`, weigh(gated));
}

/**
 * The weight of each expert for each token: x [..., hidden_size] gives [..., num_experts], 0 for experts not chosen.
 * The choice itself has no gradient. Softmax over all experts as in OLMoE (arXiv 2409.02060) and LLaDA-MoE, or sigmoids with
 * a bias for the choice and limited groups as in DeepSeek-V3 (arXiv 2412.19437, equations 12 to 16) and LLaDA 2.
 */
export function routingWeights(moe: Mixture, of: Weights, x: Tensor): Tensor {
  const outputs = linear(x, of('mlp.gate.weight'));
  const scores = moe.scoring === 'softmax' ? softmax(outputs) : sigmoid(outputs);
  const ranked = moe.expert_bias ? add(scores, of('mlp.gate.expert_bias')) : scores;
  const chosen = mul(scores, largest(inBestGroups(moe, ranked), moe.num_experts_per_tok));
  const shares = moe.norm_topk_prob ? div(chosen, add(reduceSum(chosen, [chosen.shape.length - 1]), 1e-20)) : chosen;
  return mul(shares, moe.routed_scaling_factor);
}

/** Keeps the scores of experts in the best groups and sets all others to the lowest. A group's score is the sum of its top two. */
function inBestGroups({ n_group: groups, topk_group: kept }: Mixture, scores: Tensor): Tensor {
  if (kept === groups) return scores;
  const leading = scores.shape.slice(0, -1);
  const grouped = reshape(scores, [...leading, groups, -1]);
  const bestTwo = reduceSum(mul(grouped, largest(grouped, 2)), [grouped.shape.length - 1]);
  const best = reshape(largest(reshape(bestTwo, [...leading, groups]), kept), bestTwo.shape);
  return reshape(where(equal(best, 1), grouped, lowest), scores.shape);
}

/** 1 at the `count` largest values of the last axis and 0 elsewhere; the first of equal values count. Without gradient. */
export function largest(x: Tensor, count: number): Tensor {
  const extent = x.shape.at(-1) as number;
  const axis = [x.shape.length - 1];
  const fromTheLast = constant({ shape: [extent], data: Float32Array.from({ length: extent }, (_, i) => extent - i) });
  let left: Tensor = stopGradient(x);
  let taken: Tensor | undefined;
  for (let round = 0; round < count; round++) {
    const peaks = mul(cast(equal(left, reduceMax(left, axis)), 'f32'), fromTheLast);
    const first = equal(peaks, reduceMax(peaks, axis));
    const mark = cast(first, 'f32');
    taken = taken ? add(taken, mark) : mark;
    left = where(first, lowest, left);
  }
  return taken as Tensor;
}

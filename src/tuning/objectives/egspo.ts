/**
 * EGSPO and EGSPO-SA (arXiv 2603.12554): denoising is a Markov decision process whose states are canvases, and its exact
 * policy gradient is a sum over the steps of the decoding trace,
 *
 *     grad J = sum_t E[ A_t grad log pi(x_t | x_{t+1}) ],   log pi(x_t | x_{t+1}) = sum of the tokens that step t reveals
 *
 * Only the K steps (`trace_steps`) with the largest mean entropy of the tokens that they predict are used; the
 * contribution of the others is bounded by their entropy (the paper's theorem on step selection). With
 * `infilling=editor`, which the paper does not have, the positions after the end of a middle are set without a
 * prediction. They are not actions of the policy, so they count neither in log pi nor in the mean. A token of the healed
 * prefix counts with the entropy over the allowed tokens, from which it was drawn: 0 if only one was allowed. EGSPO gives
 * every step the completion's advantage. EGSPO-SA adds the value of a step, where x^_t is its state filled greedily from
 * the same pass:
 *
 *     ret_t = ( (1 + lambda) r(x_0) - lambda r(x^_t) ) / (1 + lambda),   A_t = ret_t - its mean over the group
 *
 * The loss of a step is clipped, -min(rho A, clip(rho, 0.8, 1.5) A) + 0.04 k3, divided by a constant: completions
 * times tokens. Log-probabilities are those of the sampling distribution (temperature, without the mask), so the
 * gradient is exact with `order=random` and K at least the number of steps. With confidence order, the revealed
 * positions depend on the sample as well; the paper ignores this, and so does this implementation. Differs: all K steps share one
 * update (the released code makes an update for each). Uncertain: whether the group's mean is taken over
 * the same step or, as here, over the same rank in time among the selected steps. The dynamic halving of lambda is left out.
 */

import { fillGreedily } from '../../diffusion/fill-at-once.ts';
import { byGroup } from '../advantages.ts';
import {
  canvasIn,
  maskedQuery,
  predictionsOf,
  stateBefore,
  stepSequence,
  traceLength,
} from '../likelihoods/trace-views.ts';
import type { Rollout } from '../rollouts.ts';
import { clippedObjective, withSignal } from './clipped-method.ts';
import type { MethodRun, Objective, ScoredRollout, StepRollouts } from './objective.ts';

function egspoObjective(name: string, stepwise: boolean, description: string): Objective {
  const advantagesOf = new WeakMap<StepRollouts, Promise<Map<ScoredRollout, number[]>>>();
  return clippedObjective(
    {
      name,
      unit: 'sequence',
      penalty: 'k3',
      logProbs: 'sampling',
      defaults: { low: 0.2, high: 0.5, kl: 0.04 },
      async terms(rollouts, _inner, run, kl) {
        const { trace_steps: count, trace_lambda: lambda, length } = run.settings;
        if (stepwise && !advantagesOf.has(rollouts))
          advantagesOf.set(rollouts, stepAdvantages(rollouts, count, lambda, run));
        const stepwiseAdvantages = await advantagesOf.get(rollouts);
        const weight = 1 / (rollouts.completions.length * length);
        return (stepwise ? rollouts.completions : withSignal(rollouts, kl)).flatMap((completion) =>
          selectSteps(completion.rollout, count).flatMap((step, rank) => {
            const advantage = stepwiseAdvantages?.get(completion)?.[rank] ?? completion.advantage;
            if (advantage === 0 && kl === 0) return [];
            return [
              { sequence: stepSequence(completion.rollout, step, run.specialTokens.mask), advantage, weights: weight },
            ];
          }),
        );
      },
    },
    // The states of egspo-sa are filled greedily, all positions at once.
    { paper: 'arXiv 2603.12554', description, fillsCanvases: stepwise },
  );
}

/** The `count` steps of a trace with the largest mean entropy of the tokens that they predict, in time order. */
export function selectSteps(
  rollout: Pick<Rollout, 'tokens' | 'revealedAt' | 'entropy' | 'forcedTokens' | 'overwritten'>,
  count: number,
): number[] {
  const predictions = predictionsOf(rollout);
  const steps = Array.from({ length: traceLength(rollout) }, (_, step) => {
    const entropies = predictions.flatMap(({ revealedAt, entropy }) => (revealedAt === step ? [entropy] : []));
    return { step, entropy: entropies.reduce((sum, entropy) => sum + entropy, 0) / Math.max(1, entropies.length) };
  });
  return steps
    .sort((a, b) => b.entropy - a.entropy || a.step - b.step)
    .slice(0, count)
    .map(({ step }) => step)
    .sort((a, b) => a - b);
}

/** A_t of the selected steps of every completion. */
async function stepAdvantages(
  { completions }: StepRollouts,
  count: number,
  lambda: number,
  run: MethodRun,
): Promise<Map<ScoredRollout, number[]>> {
  const steps = completions.flatMap((completion) =>
    selectSteps(completion.rollout, count).map((step, rank) => ({ completion, step, rank, group: completion.group })),
  );
  const filled = await fillStates(
    steps.map(({ completion, step }) => ({ rollout: completion.rollout, step })),
    run,
  );
  const rewards = await run.reward(
    filled.map((tokens, index) => ({ job: steps[index]!.completion.rollout.job, tokens })),
  );
  const returns = steps.map((step, index) => ({
    ...step,
    value: ((1 + lambda) * step.completion.reward - lambda * (rewards[index] as number)) / (1 + lambda),
  }));
  const advantages = new Map(completions.map((completion) => [completion, [] as number[]]));
  for (const group of byGroup(returns))
    for (const { completion, rank, value } of group) {
      const peers = group.filter((other) => other.rank === rank);
      const mean = peers.reduce((sum, other) => sum + other.value, 0) / peers.length;
      const equal = peers.every((other) => other.value === value);
      advantages.get(completion)![rank] = equal ? 0 : value - mean;
    }
  return advantages;
}

/** Completions of states whose masked positions are all filled with the most likely token. */
async function fillStates(
  states: readonly { readonly rollout: Rollout; readonly step: number }[],
  { model, specialTokens: { mask } }: MethodRun,
): Promise<Int32Array[]> {
  const queries = states.map(({ rollout, step }) => maskedQuery(stateBefore(rollout, step, mask), mask));
  const logits = await model.logits(queries);
  return queries.map((query, index) =>
    canvasIn(fillGreedily(query.tokens, query.positions, logits[index] as Float32Array, mask), query),
  );
}

export const egspo = egspoObjective(
  'egspo',
  false,
  'EGSPO: exact policy gradient of the denoising steps of largest entropy',
);
export const egspoSa = egspoObjective(
  'egspo-sa',
  true,
  'EGSPO with stepwise advantages from filling each state greedily',
);

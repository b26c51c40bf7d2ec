/**
 * SPG, the Sandwiched Policy Gradient (arXiv 2510.09541, section 4). The log-likelihood of a masked diffusion model
 * has no closed form. SPG raises a lower bound of it for completions that are better than their group, and lowers an
 * upper bound for those that are worse. For both signs of the advantage, the objective is therefore a lower bound of the
 * policy-gradient objective:
 *
 *     loss = - sum_j A_j L_j,   L_j = ELBO_j if A_j > 0, else omega EUBO_j + (1 - omega) ELBO_j
 *
 * Every bound is estimated from m masked versions of the completion, with one forward pass each. M[s, i] = 1 if token
 * i is masked in sample s; N_s tokens are masked; n tokens are up to the first end of text:
 *
 *                 released code (per-token means)                  paper (sums, w = 1/t as n/N_s)
 *     ELBO        mean_s 1/N_s sum_i M log p                       mean_s sum_i w_s M log p
 *     EUBO        1/beta mean_{i: U_i > 0} log U_i                 1/beta sum_{i: U_i > 0} log U_i
 *                 U_i = mean_s M p^beta n/N_s                      U_i = mean_s w_s M p^beta
 *     weight      -A_j n_j / sum n                                 -A_j / count
 *
 * so both are one program with different weights. `upper_bound=loose` replaces log U_i by U_i - 1 (the paper's
 * ablation, by log y <= y - 1: no bias from the logarithm of a mean, but a looser bound). As in the paper, there is no
 * importance ratio, no clipping and no KL term, even with several updates on one set of rollouts. The EUBO's constant
 * C(T) has no gradient and is omitted, as in the paper's trained form.
 */
import { estimatorMasks } from '../../diffusion/masking.ts';
import { logSumExp, total } from '../../graph/compositions.ts';
import { add, exp, mul, neg, reduceSum, reshape, sub } from '../../graph/primitives.ts';
import type { HostTensor } from '../../graph/tensor.ts';
import type { Random } from '../../platform/random.ts';
import type { MaskingTokens } from '../../training/masked-diffusion-loss.ts';
import type { Batch, Loss, StepResult } from '../../training/trainer.ts';
import { applyMask, canvasBatch } from '../likelihoods/canvas-batch.ts';
import { microBatches } from '../likelihoods/micro-batches.ts';
import type { TuningSettings } from '../settings.ts';
import { type MaskSamples, type Objective, type ScoredCompletion, statelessMethod, type Update } from './objective.ts';

/** log 0: far below any log-probability, and still finite after sums. */
const logZero = -1e30;

export interface SpgEstimator {
  readonly estimator: 'released' | 'paper';
  readonly beta: number;
}

/** The weight of each bound of a completion in the loss. */
interface BoundWeights {
  readonly elbo: number;
  readonly eubo: number;
}

/** The estimate of the upper bound: log U, or U - 1, which is larger, looser, and unbiased. */
export type UpperBound = 'log' | 'loose';

const spgLossWith = (upper: UpperBound): Loss => ({
  name: `spg ${upper}`,
  define: ({ logp, logProbabilities, extra }) => {
    const shape = extra('elbo_weights').shape; // [m, completions, length]
    const perToken = reshape(logp, shape);
    const elbo = reshape(reduceSum(mul(perToken, extra('elbo_weights')), [0, 2]), [-1]);
    const scaled = add(mul(perToken, extra('beta')), extra('log_weights'));
    const logU = reshape(logSumExp(scaled, [0]), shape.slice(1));
    const perPosition = upper === 'log' ? logU : sub(exp(logU), 1);
    const eubo = reshape(reduceSum(mul(perPosition, extra('position_weights')), [1]), [-1]);
    const loss = add(total(mul(elbo, extra('elbo_coefficients'))), total(mul(eubo, extra('eubo_coefficients'))));
    const entropy = neg(reduceSum(mul(exp(logProbabilities), logProbabilities), [1]));
    const entropySum = total(mul(reshape(entropy, shape), extra('counted')));
    return { loss, metrics: { elbo, eubo, entropySum, maskedCount: total(extra('counted')) } };
  },
});

export const spgLoss = spgLossWith('log');
const looseLoss = spgLossWith('loose');

/** An SPG batch for explicit masks; `masks[j][s]` covers prompt and completion j in sample s. */
export function spgBatch(
  completions: readonly ScoredCompletion[],
  masks: readonly MaskSamples[],
  weights: readonly BoundWeights[],
  { estimator, beta }: SpgEstimator,
  { mask, pad }: MaskingTokens,
): Batch {
  const samples = masks[0]!.length;
  const count = completions.length;
  const versions = Array.from({ length: samples * count }, (_, row) => {
    const completion = completions[row % count] as ScoredCompletion;
    const masked = masks[row % count]![Math.floor(row / count)] as Uint8Array;
    return { completion, masked };
  });
  const { batch, answer } = canvasBatch(
    versions.map(({ completion, masked }) => ({
      ...applyMask(completion, masked, mask),
      targets: completion.tokens,
    })),
    pad,
  );
  const elboWeights = new Float32Array(samples * count * answer);
  const logWeights = new Float32Array(elboWeights.length).fill(logZero);
  const counted = new Float32Array(elboWeights.length);
  const positionWeights = new Float32Array(count * answer);
  versions.forEach(({ completion: { prompt, length }, masked }, row) => {
    const j = row % count;
    const hasWeight = weights[j]!.elbo !== 0 || weights[j]!.eubo !== 0;
    let maskedCount = 0;
    for (let i = 0; i < length; i++) maskedCount += masked[prompt.length + i] as number;
    const w = length / maskedCount;
    for (let i = 0; i < length; i++) {
      if (!masked[prompt.length + i]) continue;
      const entry = row * answer + i;
      elboWeights[entry] = (estimator === 'paper' ? w : 1 / maskedCount) / samples;
      logWeights[entry] = Math.log(w / samples);
      counted[entry] = hasWeight ? 1 : 0;
      positionWeights[j * answer + i] = 1;
    }
  });
  for (let j = 0; j < count; j++) {
    const ofCompletion = positionWeights.subarray(j * answer, (j + 1) * answer);
    const positions = ofCompletion.reduce((sum, weight) => sum + weight, 0);
    const scale = 1 / (beta * (estimator === 'paper' ? 1 : Math.max(1, positions)));
    for (let i = 0; i < ofCompletion.length; i++) ofCompletion[i] = (ofCompletion[i] as number) * scale;
  }
  const perMask = [samples, count, answer];
  const vector = (pick: (weight: BoundWeights) => number): HostTensor => ({
    shape: [count],
    data: Float32Array.from(weights, pick),
  });
  return {
    ...batch,
    extra: {
      beta: { shape: [], data: Float32Array.of(beta) },
      elbo_weights: { shape: perMask, data: elboWeights },
      log_weights: { shape: perMask, data: logWeights },
      counted: { shape: perMask, data: counted },
      position_weights: { shape: [count, answer], data: positionWeights },
      elbo_coefficients: vector(({ elbo }) => elbo),
      eubo_coefficients: vector(({ eubo }) => eubo),
    },
  };
}

export type NegativeBranch = 'mixture' | 'eubo' | 'elbo' | 'none';

/** The share of the EUBO in the bound for completions with negative advantage; null: these are left out. */
export function euboShare(branch: NegativeBranch, omega: number): number | null {
  return { mixture: omega, eubo: 1, elbo: 0, none: null }[branch];
}

/**
 * The weights of the two bounds of every completion, including the sign of the advantage and the estimator's
 * normalisation.
 */
export function boundWeights(
  completions: readonly Pick<ScoredCompletion, 'length' | 'advantage'>[],
  branch: NegativeBranch,
  { estimator, omega }: { estimator: 'released' | 'paper'; omega: number },
): BoundWeights[] {
  const lengths = completions.reduce((sum, { length }) => sum + length, 0);
  return completions.map(({ length, advantage }) => {
    const weight = estimator === 'paper' ? -advantage / completions.length : (-advantage * length) / lengths;
    if (advantage > 0) return { elbo: weight, eubo: 0 };
    const share = euboShare(branch, omega);
    return share === null ? { elbo: 0, eubo: 0 } : { elbo: (1 - share) * weight, eubo: share * weight };
  });
}

/** SPG has no state, and can be checked by hand. */
export interface SpgObjective extends Objective {
  readonly fromMasks: NonNullable<Objective['fromMasks']>;
  /** One update; new masks are drawn from `random`. */
  update(
    completions: readonly ScoredCompletion[],
    settings: TuningSettings,
    tokens: MaskingTokens,
    random: Random,
  ): Update;
}

function spg(branch: NegativeBranch, description: string): SpgObjective {
  const lossOf = ({ upper_bound }: TuningSettings) => (upper_bound === 'loose' ? { loss: looseLoss } : {});
  const self: SpgObjective = {
    name: branch === 'none' ? 'spg-positive' : `spg-${branch}`,
    paper: 'arXiv 2510.09541',
    description,
    loss: spgLoss,
    fromMasks(completions, masks, settings, tokens) {
      const weights = boundWeights(completions, branch, settings);
      const share = euboShare(branch, settings.omega);
      return {
        batch: { ...spgBatch(completions, masks, weights, settings, tokens), ...lossOf(settings) },
        logp: ({ elbo, eubo }) =>
          completions.map(({ advantage }, j) => {
            const [lower, upper] = [elbo!.data[j] as number, eubo!.data[j] as number];
            if (advantage > 0) return lower;
            return share === null ? 0 : share * upper + (1 - share) * lower;
          }),
      };
    },
    update(completions, settings, tokens, random) {
      const weights = boundWeights(completions, branch, settings);
      const entries = completions
        .map((completion, index) => ({ completion, weight: weights[index] as BoundWeights }))
        .filter(({ weight }) => weight.elbo !== 0 || weight.eubo !== 0)
        .map((entry) => ({ ...entry, masks: drawMasks(entry.completion, settings, random) }));
      const parts = microBatches(entries, Math.min(settings.micro_batch, completions.length), (like) => ({
        ...like,
        weight: { elbo: 0, eubo: 0 },
      }));
      return {
        batches: parts.map(({ full }) => ({
          ...spgBatch(
            full.map(({ completion }) => completion),
            full.map(({ masks }) => masks),
            full.map(({ weight }) => weight),
            settings,
            tokens,
          ),
          ...lossOf(settings),
        })),
        metrics: ({ metrics }) =>
          boundMetrics(
            parts.map(({ own }) => own.map(({ completion }) => completion)),
            metrics,
            settings,
          ),
      };
    },
    begin: ({ settings, specialTokens }) =>
      statelessMethod((completions, random) => self.update(completions, settings, specialTokens, random)),
  };
  return self;
}

/** Mean bounds per token of good and bad completions, and the entropy of the masked tokens' predictions. */
function boundMetrics(
  parts: readonly (readonly ScoredCompletion[])[],
  results: StepResult['metrics'],
  { estimator }: Pick<SpgEstimator, 'estimator'>,
): Record<string, number> {
  const sums = new Map<string, { sum: number; count: number }>();
  const record = (name: string, value: number, count = 1) => {
    const { sum, count: before } = sums.get(name) ?? { sum: 0, count: 0 };
    sums.set(name, { sum: sum + value, count: before + count });
  };
  parts.forEach((part, index) => {
    const { elbo, eubo, entropySum, maskedCount } = results[index]!;
    part.forEach(({ advantage, length }, j) => {
      const tokens = estimator === 'paper' ? length : 1;
      const lower = (elbo!.data[j] as number) / tokens;
      const upper = (eubo!.data[j] as number) / tokens;
      if (advantage > 0) record('elbo_positive', lower);
      else
        for (const [name, value] of [
          ['elbo_negative', lower],
          ['eubo_negative', upper],
        ] as const)
          record(name, value);
    });
    record('entropy', entropySum!.data[0] as number, maskedCount!.data[0] as number);
  });
  return Object.fromEntries([...sums].map(([name, { sum, count }]) => [name, sum / count]));
}

function drawMasks(
  { prompt, tokens: completion, length }: ScoredCompletion,
  settings: TuningSettings,
  random: Random,
): MaskSamples {
  return estimatorMasks(
    { promptLength: prompt.length, completionLength: completion.length, length },
    {
      masking: settings.masking,
      block: settings.block,
      samples: settings.mask_samples,
      cleanTokenMasking: settings.clean_token_masking,
    },
    random,
  );
}

export const spgObjectives: readonly SpgObjective[] = [
  spg('mixture', 'SPG: raise the ELBO of good completions, lower a mixture of EUBO and ELBO of bad ones'),
  spg('eubo', 'SPG with the evidence upper bound alone for bad completions'),
  spg('elbo', 'SPG with the evidence lower bound for bad completions too'),
  spg('none', 'SPG without bad completions: raise the ELBO of good ones only'),
];

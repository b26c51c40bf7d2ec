/**
 * The common part of the clipped methods (PPO's surrogate, arXiv 1707.06347, equation 7, with a group's advantages,
 * GRPO, arXiv 2402.03300): the clipped ratio rho of the current policy to the one that generated the rollouts, and a
 * divergence from a reference,
 *
 *     loss = sum_a w_a ( -min(rho_a A_a, clip(rho_a, 1 - low, 1 + high) A_a) + kl D_a )
 *
 * over sequences, or over the tokens of their completions. With the score s under the current policy and r under the
 * reference, D is k3 = exp(r - s) - (r - s) - 1, or k2 = (s - r)^2 / 2 (Schulman, "Approximating KL divergence",
 * 2020). Current policy, old policy and reference are scored on the same views: the masks of all inner updates are
 * drawn, and scored under the old policy, before the first update.
 */
import { square, total } from '../../graph/compositions.ts';
import { add, cast, exp, less, maximum, minimum, mul, neg, sub } from '../../graph/primitives.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Batch, Loss, StepResult } from '../../training/trainer.ts';
import type { FrozenPolicy } from '../likelihoods/frozen-policy.ts';
import { divergenceWeight, Reference } from '../likelihoods/reference.ts';
import {
  type LogProbKind,
  type ScoredSequence,
  samplingInputs,
  samplingLogProbs,
  scoreSequences,
  sequenceScores,
  tokenScores,
} from '../likelihoods/scored-sequences.ts';
import { type SequenceEntry, scalarInput, sequenceBatches } from '../likelihoods/sequence-update.ts';
import type { MethodRun, Objective, PreparedUpdates, RunningMethod, StepRollouts } from './objective.ts';

/** A sequence's term in a clipped loss. */
export interface ClippedTerm {
  readonly sequence: ScoredSequence;
  readonly advantage: number;
  /** The weight of the sequence in the loss, or of each of its tokens. The weights of an update sum to 1. */
  readonly weights: number | Float32Array;
  /** The weight of the divergence of the sequence; default: the same weight. */
  readonly klWeight?: number;
}

/** A method with a clipped ratio. */
export interface ClippedMethod {
  readonly name: string;
  readonly unit: 'token' | 'sequence';
  readonly penalty: 'k3' | 'k2';
  readonly logProbs: LogProbKind;
  /** The method's default values of `clip_low`, `clip_high` and `kl`. */
  readonly defaults: { readonly low: number; readonly high: number; readonly kl: number };
  /** The name of the method's reference in a checkpoint; default: `reference`. */
  readonly referenceName?: string;
  /** Builds a batch of sequences; default: each view is a row. */
  readonly batchOf?: (sequences: readonly ScoredSequence[], pad: number, run: MethodRun) => Batch;
  /**
   * The terms of an inner update. Without a divergence (`kl` 0), completions without an advantage may be left out,
   * because they have no gradient.
   */
  terms(rollouts: StepRollouts, inner: number, run: MethodRun, kl: number): ClippedTerm[] | Promise<ClippedTerm[]>;
}

const lossOf = (unit: 'token' | 'sequence', penalty: 'k3' | 'k2', logProbs: LogProbKind): Loss => ({
  name: `clipped ${unit} ${penalty} ${logProbs}`,
  define: (inputs) => {
    const { extra } = inputs;
    const logp = logProbs === 'sampling' ? samplingLogProbs(inputs) : inputs.logp;
    const score = (unit === 'token' ? tokenScores : sequenceScores)(logp, extra('coefficients'));
    const ratio = exp(sub(score, extra('old')));
    const [lowest, highest] = [sub(1, extra('clip_low')), add(1, extra('clip_high'))];
    const timesAdvantage = (ratios: Tensor) => mul(ratios, extra('advantages'));
    const surrogate = minimum(timesAdvantage(ratio), timesAdvantage(minimum(maximum(ratio, lowest), highest)));
    const difference = sub(extra('reference'), score);
    const divergence = penalty === 'k3' ? sub(sub(exp(difference), difference), 1) : mul(square(difference), 0.5);
    const weights = extra('weights');
    const loss = add(neg(total(mul(surrogate, weights))), total(mul(divergence, extra('kl_weights'))));
    const outside = add(cast(less(ratio, lowest), 'f32'), cast(less(highest, ratio), 'f32'));
    return {
      loss,
      metrics: { clipped: total(mul(outside, weights)), divergence: total(mul(divergence, weights)) },
    };
  },
});

const losses = new Map<string, Loss>();

/** One loss for all methods with the same options, so that a program is compiled once. */
export function clippedLoss({ unit, penalty, logProbs }: Pick<ClippedMethod, 'unit' | 'penalty' | 'logProbs'>): Loss {
  const key = `${unit} ${penalty} ${logProbs}`;
  const loss = losses.get(key) ?? lossOf(unit, penalty, logProbs);
  losses.set(key, loss);
  return loss;
}

/** Turns a clipped method into an objective. */
export function clippedObjective(
  method: ClippedMethod,
  about: Pick<Objective, 'paper' | 'description' | 'fillsCanvases'>,
): Objective {
  return {
    ...about,
    name: method.name,
    loss: clippedLoss(method),
    isClipped: true,
    hasImportanceRatio: true,
    check: (settings) => void divergenceWeight(method.name, settings, method.defaults.kl),
    begin: (run) => beginClipped(method, run),
  };
}

/** Starts a clipped method. Its reference must be updated in every step, even in those in which it is not prepared. */
export function beginClipped(
  method: ClippedMethod,
  run: MethodRun,
): RunningMethod & { updateReference(step: number): Promise<unknown> } {
  const { settings } = run;
  const kl = divergenceWeight(method.name, settings, method.defaults.kl);
  const reference = kl > 0 ? new Reference(run, method.referenceName) : null;
  return {
    updateReference: async (step) => reference?.at(step),
    async prepare(rollouts): Promise<PreparedUpdates> {
      const frozen = await reference?.at(rollouts.step);
      const scored: SequenceEntry[][] = [];
      for (let inner = 0; inner < settings.inner_updates; inner++) {
        const terms = await method.terms(rollouts, inner, run, kl);
        scored.push(await score(terms, frozen));
      }
      return { update: async (inner) => updateOf(scored[inner] as SequenceEntry[]) };
    },
    state: async () => (await reference?.state()) ?? new Map(),
    dispose: async () => reference?.dispose(),
  };

  async function score(terms: readonly ClippedTerm[], frozen: FrozenPolicy | undefined): Promise<SequenceEntry[]> {
    if (terms.length === 0) return [];
    const sequences = terms.map(({ sequence }) => sequence);
    const scoresUnder = (policy: Pick<MethodRun, 'evaluate'>) =>
      scoreSequences((batch) => policy.evaluate(batch), sequences, {
        size: settings.micro_batch,
        pad: run.specialTokens.pad,
        ...options(),
      });
    const old = await (run.underGenerator?.(() => scoresUnder(run)) ?? scoresUnder(run));
    const ofReference = frozen ? await scoresUnder(frozen) : old;
    const unit = method.unit === 'token' ? 'tokens' : 'sequences';
    return terms.map(({ sequence, advantage, weights, klWeight }, index) => ({
      sequence,
      values: {
        old: old[unit][index] as number | Float32Array,
        reference: ofReference[unit][index] as number | Float32Array,
        advantages: typeof weights === 'number' ? advantage : weights.map(() => advantage),
        weights,
        kl_weights: typeof weights === 'number' ? kl * (klWeight ?? weights) : weights.map((weight) => kl * weight),
      },
    }));
  }

  function updateOf(entries: readonly SequenceEntry[]) {
    const { sampling, ...rest } = options();
    return {
      batches: sequenceBatches(entries, {
        size: settings.micro_batch,
        pad: run.specialTokens.pad,
        loss: clippedLoss(method),
        shared: {
          clip_low: scalarInput(settings.clip_low ?? method.defaults.low),
          clip_high: scalarInput(settings.clip_high ?? method.defaults.high),
          ...sampling,
        },
        ...rest,
      }),
      metrics: ({ metrics }: StepResult) => ({
        clip_ratio: sumOf(metrics, 'clipped'),
        ...(reference ? { kl: sumOf(metrics, 'divergence') } : {}),
      }),
    };
  }

  function options() {
    const { batchOf } = method;
    const { temperature } = settings;
    return {
      ...(method.logProbs === 'sampling'
        ? { sampling: samplingInputs(temperature, run.specialTokens.mask, run.model.config.vocab_size) }
        : {}),
      ...(batchOf
        ? { batchOf: (sequences: readonly ScoredSequence[], pad: number) => batchOf(sequences, pad, run) }
        : {}),
    };
  }
}

const sumOf = (metrics: StepResult['metrics'], name: string): number =>
  metrics.reduce((sum, batch) => sum + (batch[name]!.data[0] as number), 0);

/** The completions that have a gradient: those with an advantage, or all if there is a divergence. */
export function withSignal({ completions }: StepRollouts, kl: number) {
  return completions.filter(({ advantage }) => advantage !== 0 || kl > 0);
}

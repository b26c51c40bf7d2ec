/**
 * DTM, discrete tilt matching (arXiv 2604.18739): anneals along the targets rho_a ~ rho_base exp(a r). From a to a +
 * h, the local posterior of each masked position is regressed to the tilted one, on completions of a teacher pi_a,
 * which is the student at the beginning of the phase:
 *
 *     target_i = c pi_a(. | x_t)_i + onehot(x_i) (1 - c + expm1(h r(x)))        (not normalised)
 *     loss     = - mean_i sum_v target_i[v] log pi(v | x_t)_i
 *
 * c (`control_variate`) does not change the minimiser, which is the reward-tilted posterior; with c = 1 a completion
 * without reward only distils the teacher. k ~ U{1..L} positions are masked from the right: the blocks that k - 1
 * positions fill completely, and the rest of k at random in the block before them; the mean is over that block's
 * masked positions. Every `tilt_steps` steps a grows by h (`tilt_step`), the teacher becomes the student, and the
 * optimiser is reset. Left out: the replay buffer (every step has new completions of the teacher), moving averages of
 * the student as the teacher, and normalisation of rewards: h is in units of the task's reward.
 */

import { randomMask } from '../../diffusion/masking.ts';
import { total } from '../../graph/compositions.ts';
import { add, exp, mul, neg, reduceSum, reshape } from '../../graph/primitives.ts';
import type { HostTensor } from '../../graph/tensor.ts';
import { UsageError } from '../../platform/errors.ts';
import type { Random } from '../../platform/random.ts';
import type { Batch, Loss, StepResult } from '../../training/trainer.ts';
import { FrozenPolicy } from '../likelihoods/frozen-policy.ts';
import { microBatches } from '../likelihoods/micro-batches.ts';
import { maskedView, type ScoredSequence, sequenceBatch } from '../likelihoods/scored-sequences.ts';
import type { Objective, ScoredRollout } from './objective.ts';

/** - sum_n ( teacher_weights_n sum_v teacher_nv log pi_nv + target_weights_n log pi_n(target) ). */
export const tiltLoss: Loss = {
  name: 'tilt',
  define: ({ logp, logProbabilities, extra }) => {
    const distilled = reshape(reduceSum(mul(logProbabilities, extra('teacher')), [1]), [-1]);
    const loss = neg(add(total(mul(distilled, extra('teacher_weights'))), total(mul(logp, extra('target_weights')))));
    return { loss };
  },
};

/** Outputs the distribution of every prediction. */
const readDistribution: Loss = {
  name: 'distribution',
  define: ({ logp, logProbabilities, extra }) => ({
    loss: total(mul(reshape(logp, extra('coefficients').shape), extra('coefficients'))),
    metrics: { distribution: exp(logProbabilities) },
  }),
};

export const dtm: Objective = {
  name: 'dtm',
  paper: 'arXiv 2604.18739',
  description: 'DTM: tilts the posterior of each masked token by exp(h r), phase after phase, from a teacher snapshot',
  loss: tiltLoss,
  generatesRollouts: true,
  check({ lr_schedule: schedule }) {
    if (schedule !== 'constant')
      throw new UsageError(
        `dtm restarts the learning rate schedule every tilt_steps steps, so lr_schedule = ${schedule} would never fall; set lr_schedule=constant.`,
      );
  },
  begin(run) {
    const { settings, specialTokens } = run;
    const teacher = new FrozenPolicy(run.model, 'teacher', run.restored);
    /** The last step before which the teacher was replaced; a step may have several batches. */
    let replacedAt = 0;
    return {
      async rollOut(jobs, step, hooks) {
        if (step > 1 && (step - 1) % settings.tilt_steps === 0 && replacedAt !== step) {
          replacedAt = step;
          await teacher.copyAgain();
          await run.restartOptimizer();
        }
        const began = step - 1 - ((step - 1) % settings.tilt_steps);
        return teacher.rollOut(
          jobs.map((job) => ({ ...job, policyVersion: began * settings.inner_updates })),
          hooks,
        );
      },
      async prepare({ completions, random }) {
        return {
          async update(inner) {
            const masks = random('masks', inner);
            const entries = completions.map((completion) => ({
              completion,
              sequence: [activeBlockView(completion, settings, specialTokens.mask, masks)] as ScoredSequence,
              weight: 1 / completions.length,
            }));
            const parts = microBatches(entries, Math.min(settings.micro_batch, entries.length), (like) => ({
              ...like,
              weight: 0,
            }));
            const batches: Batch[] = [];
            for (const { full } of parts) {
              const batch = sequenceBatch(
                full.map(({ sequence }) => sequence),
                specialTokens.pad,
              );
              const { distribution } = await teacher.evaluate({ ...batch, loss: readDistribution });
              batches.push(tiltBatch(batch, distribution as HostTensor, full, settings));
            }
            return { batches, metrics: tiltMetrics(completions, settings.tilt_step) };
          },
        };
      },
      state: () => teacher.state(),
      dispose: () => teacher.dispose(),
    };
  },
};

/** The weights of the two parts of a target: the teacher's distribution and the sampled token. */
export function tiltedTarget(
  reward: number,
  { tilt_step: h, control_variate: c }: { tilt_step: number; control_variate: number },
) {
  return { teacher: c, sampled: 1 - c + Math.expm1(h * reward) };
}

/** The batch and its weights. The coefficients give each masked position its share of the completion's mean. */
function tiltBatch(
  batch: Batch,
  teacher: HostTensor,
  entries: readonly { readonly completion: ScoredRollout; readonly weight: number }[],
  settings: { tilt_step: number; control_variate: number },
): Batch {
  const { coefficients } = batch.extra;
  const shares = coefficients!.data as Float32Array;
  const answer = coefficients!.shape[2] as number;
  const weigh = (part: 'teacher' | 'sampled'): HostTensor => ({
    shape: [shares.length],
    data: shares.map((share, entry) => {
      const { completion, weight } = entries[Math.floor(entry / answer) % entries.length]!;
      return share * weight * tiltedTarget(completion.reward, settings)[part];
    }),
  });
  return { ...batch, extra: { teacher, teacher_weights: weigh('teacher'), target_weights: weigh('sampled') } };
}

/**
 * The state of a semi-autoregressive decoder with k masked positions. Those in its current block have equal weights.
 */
export function activeBlockView(
  completion: Pick<ScoredRollout, 'prompt' | 'tokens'>,
  { block }: { block: number },
  mask: number,
  random: Random,
) {
  const { prompt, tokens: text } = completion;
  let count = 1 + random.integer(text.length);
  let end = text.length;
  // The decoder's blocks start from the left, so the last one may be shorter.
  let start = Math.floor((end - 1) / block) * block;
  while (count > end - start) {
    count -= end - start;
    end = start;
    start -= block;
  }
  const inBlock = randomMask(end - start, count, random);
  const masked = new Uint8Array(prompt.length + text.length).fill(1, prompt.length + end);
  masked.set(inBlock, prompt.length + start);
  return maskedView(completion, masked, mask, (i) => (inBlock[i - start] ? 1 / count : 0));
}

function tiltMetrics(completions: readonly ScoredRollout[], h: number) {
  const weights = completions.map(({ reward }) => Math.exp(h * reward));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const squares = weights.reduce((total, weight) => total + weight ** 2, 0);
  // Effective sample size: the number of equally weighted completions with the same information.
  return (_: StepResult) => ({ tilt_effective_share: sum ** 2 / squares / weights.length });
}

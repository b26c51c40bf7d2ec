/**
 * TraFL, trajectory balance (arXiv 2605.13935): regresses the policy to p(y|c) = p_ref(y|c) exp(beta r(y)) / Z(c),
 *
 *     delta = s(y) - s_ref(y) - beta (r(y) - mean_group r) + log Z(c),   loss = mean delta^2
 *
 * s is a mean log-probability per position over K masks, s = 1/K sum_k 1/l_k sum_{i in M_k} log pi(y_i | M_k), in
 * complementary pairs (`mask_samples` / 2 pairs; the paper has two), with the same masks for the reference. The paper
 * learns log Z with a head on the prompt. Here it is either the minimiser for the current group, log Z = mean(beta A -
 * (s - s_ref)), or a learnt table of scalars by the prompt's hash, in which colliding prompts share an entry
 * (`log_z=learned`). Groups of equal rewards are left out. Uncertain: the formulas come from a re-implementation, not
 * from the paper, and beta (`reward_beta`) is our choice. Known: centring rewards in a group shrinks the tilt by 1 -
 * 1/g, and squaring an estimate from K masks adds its variance over K to the loss.
 */
import { randomMask } from '../../diffusion/masking.ts';
import type { Random } from '../../platform/random.ts';
import { byGroup } from '../advantages.ts';
import { type CompletionText, completionMask } from '../likelihoods/elbo-views.ts';
import { Reference, requireReference } from '../likelihoods/reference.ts';
import { scoreMetrics, squaredDistance } from '../likelihoods/score-losses.ts';
import { maskedView, type ScoredSequence, scoreSequences } from '../likelihoods/scored-sequences.ts';
import { sequenceBatches } from '../likelihoods/sequence-update.ts';
import type { Objective, ScoredRollout } from './objective.ts';

export const trafl: Objective = {
  name: 'trafl',
  paper: 'arXiv 2605.13935',
  description: 'TraFL: trajectory balance to the reference tilted by exp(beta r), with a learnt or group-wise log Z',
  loss: squaredDistance,
  check: (settings) => requireReference('trafl', settings),
  begin(run) {
    const { settings, specialTokens, restored } = run;
    const reference = new Reference(run);
    const table = Float32Array.from(restored.get('log_z')?.data ?? new Float32Array(tableSize));
    const scoring = { size: settings.micro_batch, pad: specialTokens.pad };
    return {
      async prepare({ step, completions, random }) {
        const frozen = await reference.at(step);
        const used = byGroup(completions)
          .filter((group) => group.some(({ advantage }) => advantage !== 0))
          .flat();
        return {
          async update(inner) {
            const masks = random('masks', inner);
            const sequences = used.map((completion) =>
              complementaryViews(completion, settings.mask_samples, specialTokens.mask, masks),
            );
            if (sequences.length === 0) return { batches: [], metrics: () => ({}) };
            const ofReference = await scoreSequences((batch) => frozen.evaluate(batch), sequences, scoring);
            const current = await scoreSequences((batch) => run.evaluate(batch), sequences, scoring);
            const relative = used.map(
              (_, j) => (current.sequences[j] as number) - (ofReference.sequences[j] as number),
            );
            const logZ =
              settings.log_z === 'learned' ? used.map(({ prompt }) => table[slotOf(prompt)] as number) : null;
            const deltas = residuals(used, relative, settings.reward_beta, logZ);
            const entries = sequences.map((sequence, j) => ({
              sequence,
              values: {
                target_scores: (current.sequences[j] as number) - (deltas[j] as number),
                weights: 1 / used.length,
              },
            }));
            if (logZ) updateLogZ(table, used, deltas, settings.log_z_rate);
            return {
              batches: sequenceBatches(entries, { ...scoring, loss: squaredDistance }),
              metrics: (result) => ({
                ...scoreMetrics(entries)(result),
                residual: Math.sqrt(deltas.reduce((sum, delta) => sum + delta ** 2, 0) / deltas.length),
              }),
            };
          },
        };
      },
      state: async () => {
        const state = await reference.state();
        return settings.log_z === 'learned' ? state.set('log_z', { shape: [tableSize], data: table }) : state;
      },
      dispose: () => reference.dispose(),
    };
  },
};

/**
 * delta of each completion; `relative` is s - s_ref. Without `logZ`, the value that minimises the group's loss is
 * used.
 */
export function residuals(
  completions: readonly Pick<ScoredRollout, 'group' | 'advantage'>[],
  relative: readonly number[],
  beta: number,
  logZ: readonly number[] | null,
): number[] {
  const withoutLogZ = completions.map(({ group, advantage }, j) => ({
    group,
    delta: (relative[j] as number) - beta * advantage,
  }));
  if (logZ) return withoutLogZ.map(({ delta }, j) => delta + (logZ[j] as number));
  return byGroup(withoutLogZ).flatMap((members) => {
    const mean = members.reduce((sum, { delta }) => sum + delta, 0) / members.length;
    return members.map(({ delta }) => delta - mean);
  });
}

/** Pairs of a mask and its complement; the score is the mean log-probability per masked position. */
export function complementaryViews(
  text: CompletionText,
  samples: number,
  mask: number,
  random: Random,
): ScoredSequence {
  const { length } = text;
  const pairs = Math.max(1, Math.floor(samples / 2));
  return Array.from({ length: pairs }, () => {
    // Neither half is empty, unless there is only one token.
    const masked = randomMask(length, length === 1 ? 1 : 1 + random.integer(length - 1), random);
    const halves = length === 1 ? [masked, masked] : [masked, masked.map((bit) => 1 - bit)];
    return halves.map((half) => {
      const weight = 1 / (2 * pairs * half.reduce((sum, bit) => sum + bit, 0));
      return maskedView(text, completionMask(text, half), mask, (i) => (half[i] ? weight : 0));
    });
  }).flat();
}

const tableSize = 256;

/** FNV-1a hash of the prompt's tokens, as an index of the table. */
function slotOf(prompt: Int32Array): number {
  let hash = 0x811c9dc5;
  for (const token of prompt) hash = Math.imul(hash ^ token, 0x01000193);
  return (hash >>> 0) % tableSize;
}

/** A gradient step of each prompt's log Z on the mean of its delta^2. */
function updateLogZ(
  table: Float32Array,
  completions: readonly Pick<ScoredRollout, 'prompt'>[],
  deltas: readonly number[],
  rate: number,
): void {
  const sums = new Map<number, { sum: number; count: number }>();
  completions.forEach(({ prompt }, j) => {
    const slot = slotOf(prompt);
    const { sum, count } = sums.get(slot) ?? { sum: 0, count: 0 };
    sums.set(slot, { sum: sum + (deltas[j] as number), count: count + 1 });
  });
  for (const [slot, { sum, count }] of sums) table[slot] = (table[slot] as number) - (2 * rate * sum) / count;
}

import { UserError } from '../platform/errors.ts';
import type { SampleRecord } from '../protocol/sample.ts';
import { isScored } from '../tasks/scorer.ts';
import type { Reward, ScoringError } from '../tasks/task.ts';
import type { StepResult } from '../training/trainer.ts';
import type { Rollout } from './rollouts.ts';

/** A line of `samples/step-NNNNNN.jsonl` in the run directory. */
export function sampleRecord(rollout: Rollout, reward: Reward | ScoringError, advantage: number): SampleRecord {
  return {
    prompt: rollout.job.prompt,
    completion: rollout.completion,
    ...(isScored(reward) ? rewardRecord(reward) : { rewards: {}, report: reward }),
    advantage,
    policyVersion: rollout.job.policyVersion,
    seed: rollout.job.seed,
    tokens: [...rollout.tokens],
    revealedAt: [...rollout.revealedAt],
    confidence: [...rollout.confidence].map((p) => Number(p.toFixed(4))),
    ...infillingRecord(rollout),
  };
}

/** The constraints on a completion that was decoded as in an editor; empty for all others. */
function infillingRecord({
  job,
  tokens,
  forcedTokens = 0,
  healed = '',
  overwritten,
}: Rollout): Pick<SampleRecord, 'infilling'> {
  if (job.decoding.infilling !== 'editor') return {};
  return {
    infilling: {
      width: tokens.length,
      healedPrefix: healed,
      forcedTokens,
      ...(overwritten ? { overwritten: overwritten.map(({ entropy: _, ...token }) => token) } : {}),
    },
  };
}

function rewardRecord({ total, parts, report }: Reward): Pick<SampleRecord, 'rewards' | 'report'> {
  return { rewards: { ...parts, total }, ...(report === undefined ? {} : { report }) };
}

/**
 * Means over the scored completions, and the number of unscored ones if there are any. Throws a `UserError` if no
 * completion was scored.
 */
export function rewardMetrics(all: readonly (Reward | ScoringError)[]): Record<string, number> {
  const rewards = all.filter(isScored);
  const broken = scoringError(all);
  if (broken && rewards.length === 0)
    throw new UserError(
      `No completion of this step could be rewarded: ${broken.broken}; fix the cause and resume the run.`,
    );
  const metrics: Record<string, number> = { reward: mean(rewards.map(({ total }) => total)) };
  if (broken) metrics['rewards/dropped'] = all.length - rewards.length;
  const forged = rewards.filter((reward) => reward.forged !== undefined).length;
  if (forged > 0) metrics['rewards/forged'] = forged;
  for (const part of Object.keys(rewards[0]!.parts))
    metrics[`rewards/${part}/mean`] = mean(rewards.map(({ parts }) => parts[part] ?? 0));
  return metrics;
}

/** Warnings for the user about completions that could not be scored, and about those that forged their test results. */
export function scoringWarnings(all: readonly (Reward | ScoringError)[]): string[] {
  const unscored = all.filter((reward) => !isScored(reward)).length;
  const forged = all.filter(isScored).flatMap((reward) => reward.forged ?? []);
  return [
    ...(unscored === 0
      ? []
      : [`${completionsWere(unscored)} left out because they could not be scored: ${scoringError(all)?.broken}`]),
    ...(forged.length === 0
      ? []
      : [`${completionsWere(forged.length)} not rewarded because of forged test results: ${forged[0]}`]),
  ];
}

const completionsWere = (count: number): string => (count === 1 ? '1 completion was' : `${count} completions were`);

const scoringError = (all: readonly (Reward | ScoringError)[]): ScoringError | undefined =>
  all.find((reward): reward is ScoringError => !isScored(reward));

/** The lengths of a step's completions, in tokens. */
export function lengthMetrics(rollouts: readonly Rollout[]): Record<string, number> {
  const lengths = rollouts.map(({ length }) => length);
  return {
    'completions/mean_length': mean(lengths),
    'completions/min_length': Math.min(...lengths),
    'completions/max_length': Math.max(...lengths),
  };
}

/**
 * The share of the most frequent token among all tokens of a step's completions. It is near 1 if the policy has collapsed to
 * repeating one token.
 */
export function repetitionMetrics(rollouts: readonly Rollout[]): Record<string, number> {
  const counts = new Map<number, number>();
  let total = 0;
  for (const { tokens, length } of rollouts)
    for (const token of tokens.slice(0, length)) {
      counts.set(token, (counts.get(token) ?? 0) + 1);
      total++;
    }
  return total === 0 ? {} : { 'completions/commonest_token': Math.max(...counts.values()) / total };
}

export function updateMetrics({ loss, gradNorm, learningRate }: StepResult): Record<string, number> {
  return { loss, grad_norm: gradNorm, learning_rate: learningRate };
}

export function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

/** The mean of each metric over the records that have it. */
export function meanOf(records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = new Set(records.flatMap((record) => Object.keys(record)));
  return Object.fromEntries([...names].map((name) => [name, mean(records.flatMap((record) => record[name] ?? []))]));
}

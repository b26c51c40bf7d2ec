import type { RunEvent, StepEvent } from '../protocol/events.ts';
import type { RunWarning } from '../protocol/panel.ts';
import type { RunStatus } from '../protocol/run.ts';
import { evaluationsOf, stepsOf } from './reader.ts';

/** Steps that are averaged before they are compared, so that a single bad batch does not count as a collapse. */
const window = 10;
/** A metric has collapsed if its mean over the window is below this fraction of the best earlier window. */
const collapsedBelow = { reward: 0.5, entropy: 0.1, 'completions/mean_length': 0.3 } as const;
/** The loss spikes if its size is more than this many times the median of the steps before it. */
const spikeFrom = 100;
/** Number of consecutive steps without variance that cause a warning, and the fraction of such groups in a step. */
const streak = 5;
const noVarianceFrom = 0.95;

/** A token has taken over if it has at least this share, in each of so many steps, of completions that are not short. */
const commonestFrom = 0.8;
const repeatedSteps = 3;
const shortestRepetition = 8;

const causes = {
  reward: 'The policy has probably diverged: start a new run with a lower learning_rate.',
  entropy: 'The policy probably generates the same text for every prompt: raise temperature or lower learning_rate.',
  'completions/mean_length':
    'The policy has probably learned that short completions are not penalized: check the reward or lower learning_rate.',
} as const;

/**
 * Warnings of a run, with the likely cause and what to do: it failed, a value is not finite, a metric has collapsed
 * relative to its best, completions consist of one token, the trial before the first step was in vain, rewards have no variance
 * within groups, the loss is far larger than it was, or a weight is far larger than the others of its tensor. A problem that has recovered is not reported.
 */
export function runWarnings(events: readonly RunEvent[], status: RunStatus): RunWarning[] {
  const steps = stepsOf(events);
  return [
    ...failure(status),
    ...fruitlessTrial(events, steps),
    ...collapses(steps),
    ...oneToken(steps),
    ...withoutVariance(steps),
    ...lossSpike(steps),
    ...weightOutlier(events),
  ];
}

function failure({ state, error, step }: RunStatus): RunWarning[] {
  if (state !== 'failed') return [];
  const text = error ?? 'The run failed without an error message. See log.txt in its folder.';
  // The training loop names the value in its message and stops.
  return [{ kind: /= (NaN|-?Infinity)\b/.test(text) ? 'not-finite' : 'failed', text, step: step + 1 }];
}

/** A trial before the first step in which nothing passed, as long as the steps do not show otherwise. */
function fruitlessTrial(events: readonly RunEvent[], steps: readonly StepEvent[]): RunWarning[] {
  const trial = evaluationsOf(events).find(({ evaluation }) => evaluation.split === 'trial')?.evaluation;
  const [passing] = Object.values(trial?.metrics ?? {});
  if (!trial || !passing || passing.value > 0) return [];
  const hasPassed = steps.some((step) =>
    Object.entries(step).some(([name, value]) => name.startsWith('pass_rate/') && value > 0),
  );
  if (hasPassed) return [];
  const text = `None of the ${trial.n} attempts before the first step passed, so there is little to learn from. Stop the run, and choose a larger model or easier problems.`;
  return [{ kind: 'no-variance', step: 0, text }];
}

function collapses(steps: readonly StepEvent[]): RunWarning[] {
  const reward = declineSince(steps, 'reward', 0.9);
  return (['reward', 'entropy', 'completions/mean_length'] as const).flatMap((metric): RunWarning[] => {
    const fall = declineSince(steps, metric, collapsedBelow[metric]);
    if (!fall) return [];
    // A policy that has learned its task has low entropy and may be brief. If the reward is near its best, that is fine.
    if (metric !== 'reward' && steps.at(-1)?.reward !== undefined && !reward) return [];
    const { best, now, since } = fall;
    return [
      {
        kind: 'collapse',
        step: since,
        text: `${nameOf[metric]} fell from ${brief(best)} to ${brief(now)} (mean of ${window} steps). ${causes[metric]}`,
      },
    ];
  });
}

const nameOf = { reward: 'Reward', entropy: 'Entropy', 'completions/mean_length': 'Completion length' } as const;

/**
 * The decline of a metric: whether the mean of the last window is below `share` times the best earlier one, and since
 * which step without interruption. Only for a best above 0, because a fraction of a negative number is meaningless.
 */
function declineSince(
  steps: readonly StepEvent[],
  metric: string,
  share: number,
): { readonly best: number; readonly now: number; readonly since: number } | null {
  const measured = steps.filter((step) => step[metric] !== undefined);
  let best = 0;
  let sum = 0;
  let since: number | null = null;
  let now = 0;
  for (const [index, step] of measured.entries()) {
    sum += step[metric]!;
    if (index >= window) sum -= measured[index - window]![metric]!;
    if (index < window - 1) continue;
    now = sum / window;
    best = Math.max(best, now);
    // Ignores a best that is only a rounding error.
    if (best > 1e-9 && now < share * best) since ??= step.step;
    else since = null;
  }
  return since === null ? null : { best, now, since };
}

/** Completions that consist almost entirely of one token, as those of a policy that has collapsed onto it. */
function oneToken(steps: readonly StepEvent[]): RunWarning[] {
  const measured = steps.filter((step) => step['completions/commonest_token'] !== undefined);
  const collapsed = (step: StepEvent) =>
    step['completions/commonest_token']! >= commonestFrom &&
    (step['completions/mean_length'] ?? 0) >= shortestRepetition;
  const last = measured.slice(-repeatedSteps);
  if (last.length < repeatedSteps || !last.every(collapsed)) return [];
  const first = measured[measured.findLastIndex((step) => !collapsed(step)) + 1]!;
  const { entropy, 'completions/commonest_token': share } = last.at(-1)!;
  const spread = entropy === undefined ? '' : ` (entropy ${brief(entropy)})`;
  return [
    {
      kind: 'collapse',
      step: first.step,
      text: `One token makes up ${Math.round(100 * share!)} % of all generated tokens${spread}. The policy has collapsed onto it: stop the run and use its best checkpoint, or start a new run with a lower learning_rate.`,
    },
  ];
}

function withoutVariance(steps: readonly StepEvent[]): RunWarning[] {
  const measured = steps.filter(({ frac_reward_zero_std }) => frac_reward_zero_std !== undefined);
  const varied = measured.findLastIndex((step) => step.frac_reward_zero_std! < noVarianceFrom);
  const flat = measured.slice(varied + 1);
  if (flat.length < streak) return [];
  const first = flat[0]!;
  const mean = flat.reduce((sum, { reward }) => sum + (reward ?? 0), 0) / flat.length;
  return [
    {
      kind: 'no-variance',
      step: first.step,
      text: `For ${flat.length} steps, nearly all groups had equal rewards (mean ${brief(mean)}), so there is no gradient. Use easier or harder problems, a larger group_size or a higher temperature.`,
    },
  ];
}

/** A loss that is far larger than the ones before it, in one of the last steps. */
function lossSpike(steps: readonly StepEvent[]): RunWarning[] {
  const measured = steps.flatMap(({ step, loss }) => (loss === undefined ? [] : [{ step, size: Math.abs(loss) }]));
  for (let index = Math.max(window, measured.length - window); index < measured.length; index++) {
    const earlier = measured.slice(0, index).map(({ size }) => size);
    const median = earlier.sort((a, b) => a - b)[Math.floor(index / 2)]!;
    const { step, size } = measured[index]!;
    // Many losses are exactly 0 where nothing is learnt, and multiples of rounding errors mean nothing.
    if (median > 1e-6 && size > spikeFrom * median)
      return [
        {
          kind: 'spike',
          step,
          text: `The size of the loss at step ${step} was ${brief(size)}, more than ${spikeFrom} times its median of ${brief(median)}. The policy may be diverging: lower learning_rate or max_grad_norm, or resume from an earlier checkpoint.`,
        },
      ];
  }
  return [];
}

/** A weight that is far larger than the others of its tensor, in the last evaluation. */
function weightOutlier(events: readonly RunEvent[]): RunWarning[] {
  const { step, evaluation } = evaluationsOf(events).findLast((event) => event.evaluation.split === 'validation') ?? {};
  const ratio = evaluation?.measures?.weight_outlier;
  if (step === undefined || ratio === undefined) return [];
  return [
    {
      kind: 'outlier',
      step,
      text: `After step ${step}, a weight was ${brief(ratio)} times the root mean square of its tensor. Training has probably diverged: use an earlier checkpoint, or start a new run with a lower learning_rate.`,
    },
  ];
}

const brief = (value: number): string => value.toPrecision(2);

import type { RunEvent, StepEvent } from '../protocol/events.ts';
import type { RunWarning } from '../protocol/panel.ts';
import type { RunStatus } from '../protocol/run.ts';
import { stepsOf } from './reader.ts';

/** Steps that are averaged before they are compared, so that one unlucky batch is no collapse. */
const window = 10;
/** A metric has collapsed when its window's mean is below this share of the best that any earlier window had. */
const collapsedBelow = { reward: 0.5, entropy: 0.1, 'completions/mean_length': 0.3 } as const;
/** Steps in a row without variance that are a pattern, and the share of groups from which a step has none. */
const streak = 5;
const noVarianceFrom = 0.95;

const causes = {
  reward: 'the policy has moved too far: resume from an earlier checkpoint with a lower learning_rate',
  entropy: 'the policy writes the same for everything: raise temperature, or lower learning_rate',
  'completions/mean_length':
    'the policy has found out that saying little costs nothing: check the reward, or lower learning_rate',
} as const;

/**
 * What goes wrong in a run, likeliest cause and remedy included: it failed, its numbers are not finite, a metric has
 * collapsed against its own best, or no group has a variance to learn from. What has mended itself is not told.
 */
export function runWarnings(events: readonly RunEvent[], status: RunStatus): RunWarning[] {
  const steps = stepsOf(events);
  return [...failure(status), ...collapses(steps), ...withoutVariance(steps)];
}

function failure({ state, error, step }: RunStatus): RunWarning[] {
  if (state !== 'failed') return [];
  const text = error ?? 'The run failed without saying why; log.txt in its folder has its last words.';
  // The training loop says which number it was, and takes no further step.
  return [{ kind: /= (NaN|-?Infinity)\b/.test(text) ? 'not-finite' : 'failed', text, step: step + 1 }];
}

function collapses(steps: readonly StepEvent[]): RunWarning[] {
  const reward = declineSince(steps, 'reward', 0.9);
  return (['reward', 'entropy', 'completions/mean_length'] as const).flatMap((metric): RunWarning[] => {
    const fall = declineSince(steps, metric, collapsedBelow[metric]);
    if (!fall) return [];
    // Sure of itself and brief is what a policy becomes that has learnt its task: with a reward near its best, all is well.
    if (metric !== 'reward' && steps.at(-1)?.reward !== undefined && !reward) return [];
    const { best, now, since } = fall;
    return [
      {
        kind: 'collapse',
        step: since,
        text: `${nameOf[metric]} fell from ${brief(best)} to ${brief(now)} (means of ${window} steps); probably ${causes[metric]}.`,
      },
    ];
  });
}

const nameOf = { reward: 'Reward', entropy: 'Entropy', 'completions/mean_length': 'Completion length' } as const;

/**
 * Whether the last window's mean of a metric is below a share of the best earlier one, and since which step without a
 * break. Only for a best above 0: a share of a negative number says nothing.
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
    // A best of rounding errors is none.
    if (best > 1e-9 && now < share * best) since ??= step.step;
    else since = null;
  }
  return since === null ? null : { best, now, since };
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
      text: `For ${flat.length} steps nearly every group's completions earned the same reward (mean ${brief(mean)}), so there is nothing to learn from; take easier or harder problems, a larger group_size or a higher temperature.`,
    },
  ];
}

const brief = (value: number): string => value.toPrecision(2);

import { count } from '../platform/amounts.ts';
import type { Evaluation, StepEvent } from '../protocol/events.ts';
import type { RunActivity } from '../protocol/run.ts';
import type { RunWriter } from '../runs/writer.ts';
import type { CommandContext } from './command.ts';

/** Minimum time between two progress lines inside a step, in milliseconds. */
const activityEvery = 10_000;

/** Progress of a training job on stderr: a line per step and per evaluation, and more lines during a long step. */
export function progressHooks({ signal, progress }: Pick<CommandContext, 'signal' | 'progress'>) {
  return {
    signal,
    onPrepare: progress,
    onActivity: activityLines(progress),
    onWarning: (text: string) => progress(`Warning: ${text}`),
    onStart: (run: RunWriter) => progress(`run ${run.dir}`),
    onStep: (event: StepEvent, eta: number | null) => progress(stepLine(event, eta)),
    onEvaluation: (step: number, evaluation: Evaluation) => progress(evaluationLine(step, evaluation)),
  };
}

/** Writes the job's activity at most every 10 s: "step 1: rollouts 12 of 32, rewards 7 of 12, about 2 min 10 s left". */
export function activityLines(progress: (line: string) => void): (activity: RunActivity) => void {
  let last = performance.now();
  return ({ text, eta }) => {
    if (performance.now() - last < activityEvery) return;
    last = performance.now();
    progress(`${text}${eta === null ? '' : `, about ${duration(eta)} left`}`);
  };
}

/** A step in one line: reward, bounds, loss, speed and time left, as far as they were measured. */
export function stepLine(event: StepEvent, eta: number | null): string {
  const number = (label: string, value: number | undefined, digits = 3) =>
    value === undefined ? [] : [`${label} ${value.toFixed(digits)}`];
  return [
    `step ${event.step}`,
    ...number('reward', event.reward),
    ...number('elbo+', event.elbo_positive),
    ...number('elbo-', event.elbo_negative),
    ...number('eubo-', event.eubo_negative),
    ...number('loss', event.loss),
    ...number('grad', event.grad_norm, 2),
    ...(event.tokens_per_second === undefined ? [] : [`${Math.round(event.tokens_per_second)} tokens/s`]),
    ...(eta === null ? [] : [`${duration(eta)} left`]),
  ].join('  ');
}

export function evaluationLine(step: number, { split, n, metrics, measures }: Evaluation): string {
  const shown = Object.entries(metrics).map(
    ([name, { value, low, high }]) => `${name} ${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`,
  );
  const gap = measures?.eubo_elbo_gap;
  const bounds =
    gap === undefined
      ? []
      : [`EUBO-ELBO gap ${gap.toFixed(3)} nats per token (up to a constant, so it can be negative)`];
  const what =
    split === 'trial'
      ? `tried ${count(n, 'completion')} before the first step:`
      : `evaluated at step ${step} on ${count(n, `${split} problem`)}:`;
  return [what, ...shown, ...bounds].join('  ');
}

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

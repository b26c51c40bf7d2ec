import { count } from '../platform/amounts.ts';
import type { Evaluation } from '../protocol/events.ts';
import type { Interval } from '../protocol/interval.ts';
import { evaluationsOf, readEvents } from '../runs/reader.ts';
import type { RunningJob } from '../runs/run-job.ts';
import { shownMetrics, type TrainingHooks } from '../training/training-job.ts';
import { answerHeldOut, type HeldOutProblems } from './held-out-evaluation.ts';

/** Metrics by name, each with its interval. */
export type Metrics = Readonly<Record<string, Interval>>;

/**
 * The metrics of the current weights on the test problems after `step`; null if there are no test problems. A result that
 * the event log already has is not computed again. A new one is appended to the log.
 */
export async function measureTestProblems(
  step: number,
  heldOut: HeldOutProblems,
  job: RunningJob,
  { onEvaluation }: Pick<TrainingHooks, 'onEvaluation'>,
): Promise<Metrics | null> {
  const { problems, task, split } = heldOut;
  const recorded = await recordedTest(step, job);
  if (recorded || problems.length === 0) return recorded ?? null;
  const { run } = job;
  await run.log(`Evaluating on ${count(problems.length, 'test problem')} after step ${step}.`);
  const { metrics, n, seconds } = await answerHeldOut(heldOut, job);
  const evaluation: Evaluation = { task: task.name, split, n, metrics, seconds };
  await run.append({ step, time: Date.now() / 1000, evaluation });
  await run.log(`Evaluated: ${shownMetrics(evaluation)}.`);
  onEvaluation?.(step, evaluation);
  return metrics;
}

/** The test result of a step in the event log; undefined if it has none. */
export async function recordedTest(step: number, { run }: Pick<RunningJob, 'run'>): Promise<Metrics | undefined> {
  const events = evaluationsOf(await readEvents(run.dir));
  return events.find((event) => event.step === step && event.evaluation.split === 'test')?.evaluation.metrics;
}

import type { HostTensor } from '../graph/tensor.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { outlierOf, outlierRatio } from '../model/outliers.ts';
import { isInterruption, UserError } from '../platform/errors.ts';
import type { Evaluation, StepEvent } from '../protocol/events.ts';
import type { SampleRecord } from '../protocol/sample.ts';
import { evaluationsOf, readEvents } from '../runs/reader.ts';
import type { JobHooks, RunningJob, WorkContext } from '../runs/run-job.ts';
import { StepDeadline } from './step-deadline.ts';
import { noteProgress, saveCheckpoint, type TrainingProgress, type TrainingState } from './training-checkpoint.ts';

/** What one optimiser step reports. */
export interface TrainedStep {
  /** Numbers for the event log, under TRL's names if it has one. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly samples?: readonly SampleRecord[];
  /** Tokens that the step worked on. */
  readonly tokens: number;
  /** What the user should know about the step, for `log.txt`. */
  readonly warnings?: readonly string[];
}

/** A training method, as the loop uses it. All randomness in a step is determined by the seed and the step's number. */
export interface TrainingMethod {
  /**
   * Makes one step. If `context.signal` is aborted before the step has changed weights or optimiser, it throws the
   * signal's reason, and making the same step later gives the same result. After that it completes the step.
   */
  step(step: number, context?: WorkContext): Promise<TrainedStep>;
  /** Evaluates the current weights; absent: the job is not evaluated between its steps. */
  evaluate?(context?: WorkContext): Promise<Evaluation>;
  /** State that the method keeps between steps in addition to weights and optimiser; stored in checkpoints. */
  state?(): Promise<ReadonlyMap<string, HostTensor>>;
  /** Releases what the method compiled and loaded, but not its model. */
  dispose?(): Promise<void>;
  /** The metric of an evaluation by which checkpoints are ranked; larger is better. */
  readonly bestBy?: string;
}

/** Callbacks through which the caller observes a training job. */
export interface TrainingHooks extends JobHooks {
  /** Receives lines of output about the preparation, before the run starts. */
  readonly onPrepare?: ((line: string) => void) | undefined;
  readonly onStep?: ((event: StepEvent, eta: number | null) => void) | undefined;
  readonly onEvaluation?: ((step: number, evaluation: Evaluation) => void) | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** The settings of a run that say when it is evaluated and saved. */
export interface TrainingSchedule {
  /** Steps between two evaluations, and between two checkpoints; 0: only at the beginning and the end. */
  readonly evaluate_every: number;
  readonly checkpoint_every: number;
  /** How many recent checkpoints to keep, in addition to the best; default: 3. */
  readonly keep_checkpoints?: number;
}

export interface TrainingJob {
  readonly job: RunningJob;
  readonly model: LanguageModel;
  readonly method: TrainingMethod;
  /** Where to begin: `freshProgress`, or what `readProgress` found in a checkpoint. */
  readonly progress: TrainingProgress;
  /** Steps in all; null: the time limit alone ends the job. */
  readonly steps: number | null;
  /** Seconds of training in all, without evaluations and checkpoints; null: no limit. */
  readonly timeLimit: number | null;
  readonly schedule: TrainingSchedule;
  readonly hooks?: Pick<TrainingHooks, 'onStep' | 'onEvaluation'>;
}

/**
 * The loop that supervised training and policy gradients share: steps, evaluations and checkpoints. A job that is killed
 * can continue from its last checkpoint on the same trajectory. A job that is cancelled first saves the state after its
 * last complete step.
 */
export async function runTrainingJob(training: TrainingJob): Promise<TrainingProgress> {
  const loop = await TrainingLoop.start(training);
  return loop.run();
}

class TrainingLoop {
  readonly #training: TrainingJob;
  #progress: TrainingProgress;
  /** The last step with a checkpoint on disk, and the last step with an evaluation in the event log; -1: none. */
  #saved: number;
  #evaluated: number;

  private constructor(training: TrainingJob, evaluated: number) {
    const { step } = training.progress;
    this.#training = training;
    this.#progress = training.progress;
    this.#saved = step > 0 ? step : -1;
    this.#evaluated = evaluated;
  }

  static async start(training: TrainingJob): Promise<TrainingLoop> {
    return new TrainingLoop(training, await evaluatedStep(training.job.run.dir, training.progress.step));
  }

  async run(): Promise<TrainingProgress> {
    const { job, schedule } = this.#training;
    await job.run.progress(this.#progress.step, null);
    try {
      // The evaluation of a resumed step is missing if the run was stopped during it.
      if (this.#progress.step === 0 || this.#isDue(schedule.evaluate_every)) await this.#evaluate();
      for (;;) {
        await job.betweenSteps(() => this.#save());
        if (this.#isDone()) break;
        if (!(await this.#step())) break;
        if (this.#isDue(schedule.evaluate_every)) await this.#evaluate();
        if (this.#isDue(schedule.checkpoint_every) || this.#progress.best?.step === this.#progress.step)
          await this.#save();
      }
      await this.#evaluate();
      await this.#save({ evenFirst: true });
    } catch (error) {
      // An aborted step has changed nothing, so the state is still that after the last complete step.
      if (isInterruption(error) && isInterruption(job.signal.reason)) await this.#save();
      throw error;
    }
    return this.#progress;
  }

  #isDue(every: number): boolean {
    return every > 0 && this.#progress.step % every === 0;
  }

  #isDone(): boolean {
    const { steps, timeLimit } = this.#training;
    const { step, seconds } = this.#progress;
    return (steps !== null && step >= steps) || (timeLimit !== null && seconds >= timeLimit);
  }

  /** Makes the next step; false if the time limit ended it before it changed anything. */
  async #step(): Promise<boolean> {
    const { job, method, timeLimit } = this.#training;
    const { step: before, seconds } = this.#progress;
    const step = before + 1;
    const begin = performance.now();
    const processorTime = process.cpuUsage();
    const elapsed = () => (performance.now() - begin) / 1000;
    const deadline = new StepDeadline(job.signal, timeLimit === null ? null : timeLimit - seconds);
    try {
      const reportProgress: WorkContext['reportProgress'] = (activity) => {
        deadline.look();
        const text = `step ${step}: ${activity.text}`;
        job.reportProgress({ ...activity, text }, this.#secondsLeft(before, seconds + elapsed(), activity.eta));
      };
      const made = await method.step(step, { signal: deadline.signal, reportProgress });
      await this.#record(step, made, elapsed(), process.cpuUsage(processorTime));
      return true;
    } catch (error) {
      if (!(deadline.hasPassed && isInterruption(error))) throw error;
      this.#progress = { ...this.#progress, seconds: seconds + elapsed() };
      await job.warn(
        `The time limit of ${timeLimit} s ended step ${step} after ${elapsed().toFixed(0)} s; what it had done is dropped, and ${before} ${before === 1 ? 'step counts' : 'steps count'}.${
          before === 0 ? ' Raise the time limit, or make steps smaller with prompts_per_step or group_size.' : ''
        }`,
      );
      return false;
    } finally {
      deadline.end();
    }
  }

  async #record(
    step: number,
    { metrics, samples, tokens, warnings = [] }: TrainedStep,
    elapsed: number,
    processorTime: NodeJS.CpuUsage,
  ) {
    const { job, hooks } = this.#training;
    for (const [name, value] of Object.entries(metrics)) {
      if (!Number.isFinite(value))
        throw new UserError(
          `Step ${step} gave ${name} = ${value}, so the weights are lost; resume from the last checkpoint with a lower learning_rate.`,
        );
    }
    const seconds = this.#progress.seconds + elapsed;
    const num_tokens = this.#progress.num_tokens + tokens;
    const event: StepEvent = {
      step,
      time: Date.now() / 1000,
      ...metrics,
      num_tokens,
      tokens_per_second: tokens / elapsed,
      'time/step': elapsed,
      'system/processors': (processorTime.user + processorTime.system) / 1e6 / elapsed,
      'system/memory': process.memoryUsage.rss() / 2 ** 20,
    };
    if (samples) await job.run.samples(step, samples);
    await job.run.append(event);
    await job.run.log(`Step ${step}: ${phases(event)}.`);
    for (const warning of warnings) await job.warn(`Step ${step}: ${warning}`);
    const eta = this.#secondsLeft(step, seconds);
    await job.run.progress(step, eta);
    hooks?.onStep?.(event, eta);
    this.#progress = { ...this.#progress, step, seconds, num_tokens };
  }

  /**
   * Estimated remaining seconds of the run after `done` steps that took `seconds` in total. `left` is the remaining time
   * of the current step, whose elapsed time is part of `seconds`; null: unknown.
   */
  #secondsLeft(done: number, seconds: number, left?: number | null): number | null {
    const { steps, timeLimit } = this.#training;
    const known: number[] = timeLimit === null ? [] : [timeLimit - seconds];
    if (steps !== null && left === undefined && done > 0) known.push((steps - done) * (seconds / done));
    if (steps !== null && left !== undefined && left !== null)
      known.push(left + (steps - done - 1) * ((seconds + left) / (done + 1)));
    return known.length === 0 ? null : Math.max(0, Math.min(...known));
  }

  /** Evaluates the current weights, unless the event log has that evaluation, and records whether they are the best. */
  async #evaluate(): Promise<void> {
    const { job, method, hooks } = this.#training;
    const { step, best } = this.#progress;
    if (!method.evaluate || this.#evaluated === step) return;
    await job.run.log(`Evaluating on validation problems after step ${step}.`);
    const measured = await method.evaluate({
      signal: job.signal,
      reportProgress: (activity) => job.reportProgress(activity),
    });
    const outlier = await this.#weightOutlier();
    const evaluation =
      outlier === null ? measured : { ...measured, measures: { ...measured.measures, weight_outlier: outlier } };
    await job.run.append({ step, time: Date.now() / 1000, evaluation });
    this.#evaluated = step;
    await job.run.log(`Evaluated: ${shownMetrics(evaluation)}.`);
    await job.run.progress(step, job.run.status.eta);
    hooks?.onEvaluation?.(step, evaluation);
    const score = method.bestBy === undefined ? undefined : evaluation.metrics[method.bestBy]?.value;
    if (score === undefined || score <= (best?.score ?? Number.NEGATIVE_INFINITY)) return;
    this.#progress = { ...this.#progress, best: { step, score } };
    // The checkpoint of this step may have been written before the evaluation, so its record of the best is updated.
    if (this.#saved === step) await noteProgress(this.#state());
  }

  /**
   * The largest ratio of a trained weight to the root mean square of its tensor, if it is so large that the weights are probably
   * lost; otherwise null. Such a weight is also reported as a warning.
   */
  async #weightOutlier(): Promise<number | null> {
    const { job, model } = this.#training;
    let largest = { name: '', ratio: 0 };
    for (const name of model.trained.keys()) {
      const ratio = outlierOf(await model.state.read(name));
      if (ratio > largest.ratio) largest = { name, ratio };
    }
    if (largest.ratio <= outlierRatio) return null;
    await job.warn(
      `After step ${this.#progress.step}, a weight of ${largest.name} is ${largest.ratio.toPrecision(2)} times the root mean square of its tensor; training may have diverged.`,
    );
    return largest.ratio;
  }

  /** Saves the state after the last step, unless it is saved or, without `evenFirst`, no step has been made. */
  async #save({ evenFirst = false } = {}): Promise<void> {
    const { step } = this.#progress;
    if (step === 0 && !evenFirst) return;
    if (this.#saved === step) await noteProgress(this.#state());
    else await saveCheckpoint(this.#state());
    this.#saved = step;
  }

  #state(): TrainingState {
    const { job, model, method, schedule } = this.#training;
    const { keep_checkpoints: keep } = schedule;
    const state = { run: job.run, model, method, progress: this.#progress };
    return keep === undefined ? state : { ...state, keepCheckpoints: keep };
  }
}

/** "12.3 s (rollout 8.1 s, reward 0.4 s, update 3.8 s), reward 0.52". */
function phases(event: StepEvent): string {
  const times = Object.entries(event).filter(([name]) => name.startsWith('time/') && name !== 'time/step');
  const parts = times.map(([name, seconds]) => `${name.slice('time/'.length)} ${seconds.toFixed(1)} s`);
  const shown = (['reward', 'loss'] as const).flatMap((name) =>
    event[name] === undefined ? [] : [`, ${name} ${event[name].toPrecision(3)}`],
  );
  return `${event['time/step']?.toFixed(1)} s${parts.length > 0 ? ` (${parts.join(', ')})` : ''}${shown.join('')}`;
}

/** "cell_accuracy 0.881, solved 0.41". */
export const shownMetrics = ({ metrics }: Pick<Evaluation, 'metrics'>): string =>
  Object.entries(metrics)
    .map(([name, { value }]) => `${name} ${value.toFixed(3)}`)
    .join(', ');

/** `step` if the event log has a validation result for it; else -1. */
async function evaluatedStep(dir: string, step: number): Promise<number> {
  const evaluations = evaluationsOf(await readEvents(dir));
  const isThere = evaluations.some((event) => event.step === step && event.evaluation.split === 'validation');
  return isThere ? step : -1;
}

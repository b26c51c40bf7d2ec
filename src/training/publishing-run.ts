/** What every job that makes a base model shares: it trains in a run directory, and publishes its last checkpoint as a model. */
import { readdir } from 'node:fs/promises';
import { publishModel } from '../catalogue/publish-model.ts';
import { resolveModel } from '../catalogue/resolve-model.ts';
import type { Engine } from '../engine/engine.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import { LanguageModel } from '../model/language-model.ts';
import { UsageError } from '../platform/errors.ts';
import type { Evaluation } from '../protocol/events.ts';
import type { Interval } from '../protocol/interval.ts';
import type { RunConfiguration } from '../protocol/run.ts';
import { latestCheckpoint } from '../runs/checkpoints.ts';
import { evaluationsOf, readEvents } from '../runs/reader.ts';
import { type JobLocation, runJob } from '../runs/run-job.ts';
import { findResumePoint } from '../runs/whole-checkpoints.ts';
import { readProgress, resumedState, type TrainingProgress } from './training-checkpoint.ts';
import { runTrainingJob, type TrainingHooks, type TrainingMethod, type TrainingSchedule } from './training-job.ts';

/** The result that `unmask pretrain` prints. */
export interface PretrainingResult {
  readonly model: string;
  readonly run: string;
  readonly steps: number;
  readonly seconds: number;
  readonly metrics: Readonly<Record<string, Interval>>;
}

/** What a model card says about the run that made the model. */
export interface FinishedTraining {
  readonly done: TrainingProgress;
  readonly evaluation: Evaluation;
  readonly configuration: RunConfiguration;
}

export interface PublishingRun {
  readonly location: JobLocation;
  readonly model: LanguageModel;
  readonly method: TrainingMethod;
  readonly progress: TrainingProgress;
  readonly steps: number;
  readonly schedule: TrainingSchedule;
  readonly hooks: TrainingHooks;
  /** The folder of the model. */
  readonly output: string;
  card(finished: FinishedTraining): string;
}

/** Trains in a run directory, and publishes the last checkpoint with its card. Disposes of the model and the method. */
export function trainAndPublish({
  location,
  model,
  method,
  progress,
  steps,
  schedule,
  hooks,
  output,
  card,
}: PublishingRun): Promise<PretrainingResult> {
  return runJob({
    location,
    hooks,
    async work(job) {
      const done = await runTrainingJob({
        job,
        model,
        method,
        progress,
        steps,
        timeLimit: null,
        schedule,
        hooks,
      });
      const { dir, configuration } = job.run;
      const { evaluation } = evaluationsOf(await readEvents(dir)).at(-1)!;
      await publishModel((await latestCheckpoint(dir))!.dir, output, card({ done, evaluation, configuration }));
      return { model: output, run: dir, steps: done.step, seconds: done.seconds, metrics: evaluation.metrics };
    },
    async dispose() {
      await method.dispose?.();
      await model.dispose();
    },
  });
}

/** Where a run continues: the folder of its last whole checkpoint, null for none, and warnings about damaged ones. */
export interface Continuation {
  readonly checkpoint: string | null;
  readonly notes: readonly string[];
}

/**
 * Finds the checkpoint from which a run continues, and reports damaged ones.
 *
 * @param steps the new number of steps, if it changes; a `UsageError` if the run has made more
 */
export async function findContinuation(
  dir: string,
  steps: number | undefined,
  hooks: TrainingHooks,
): Promise<Continuation> {
  const { checkpoint, notes } = await findResumePoint(dir);
  for (const note of notes) hooks.onWarning?.(note);
  if (steps !== undefined && steps < (checkpoint?.step ?? 0))
    throw new UsageError(`${dir} has made ${checkpoint?.step} steps already; give --steps a larger number.`);
  return { checkpoint: checkpoint?.dir ?? null, notes };
}

/** Loads the model of a checkpoint with the state of its optimizer, for further training. */
export async function loadForTraining(
  engine: Engine,
  folder: string,
): Promise<{ model: LanguageModel; progress: TrainingProgress }> {
  const checkpoint = await openCheckpoint(await resolveModel(folder));
  const { progress, optimizer } = await readProgress(folder);
  return { model: await LanguageModel.load(engine, checkpoint, resumedState(checkpoint, optimizer)), progress };
}

/** Throws a `UsageError` if the folder of the new model holds something. */
export async function assertFree(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  if (names.length > 0)
    throw new UsageError(`${folder} is not empty; choose another folder for the model, or remove it.`);
}

import { existsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { HostTensor } from '../graph/tensor.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { readSafetensors, writeSafetensors } from '../model/safetensors.ts';
import { Interrupted, UserError } from '../platform/errors.ts';
import { readJson, writeJson } from '../platform/files.ts';
import type { Evaluation, StepEvent } from '../protocol/events.ts';
import type { SampleRecord } from '../protocol/sample.ts';
import { stoppedAfter, withCancellation } from '../runs/cancellation.ts';
import { latestCheckpoint } from '../runs/checkpoints.ts';
import { evaluationsOf, readEvents } from '../runs/reader.ts';
import type { RunWriter } from '../runs/writer.ts';
import { resumableState, trainingState } from './trainer.ts';

/** What one optimiser step reports. */
export interface TrainedStep {
  /** Numbers for the event log, under TRL's names where it has one. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly samples?: readonly SampleRecord[];
  /** Tokens that the step worked on. */
  readonly tokens: number;
}

/** A method of training, as the loop sees it. Everything random in a step follows from the seed and its number. */
export interface TrainingMethod {
  step(step: number): Promise<TrainedStep>;
  /** Evaluates the present weights; absent: the job is not evaluated in between. `checkCancelled` may throw. */
  evaluate?(checkCancelled?: () => void): Promise<Evaluation>;
  /** What the method carries from step to step beside weights and optimiser; a checkpoint keeps it. */
  state?(): Promise<ReadonlyMap<string, HostTensor>>;
  /** Gives back what the method compiled and loaded; its model is not its own. */
  dispose?(): Promise<void>;
  /** The metric of an evaluation by which checkpoints are ranked, larger is better. */
  readonly bestBy?: string;
}

const progressSchema = z.object({
  step: z.int().nonnegative(),
  /** Seconds of training, evaluations and checkpoints left out. */
  seconds: z.number().nonnegative(),
  num_tokens: z.number().nonnegative(),
  best: z.object({ step: z.int(), score: z.number() }).nullable(),
});

/** `state.json` of a checkpoint: where the loop stood. */
export type TrainingProgress = z.infer<typeof progressSchema>;

export const freshProgress: TrainingProgress = { step: 0, seconds: 0, num_tokens: 0, best: null };

export interface TrainingJob {
  readonly run: RunWriter;
  readonly model: LanguageModel;
  readonly method: TrainingMethod;
  /** Where to begin: `freshProgress`, or what `readProgress` found in a checkpoint. */
  readonly progress: TrainingProgress;
  /** Steps in all; null: the time limit alone ends the job. */
  readonly steps: number | null;
  /** Seconds of training in all, evaluations and checkpoints left out; null: no limit. */
  readonly timeLimit: number | null;
  /** Steps between two evaluations, and between two checkpoints; 0: only at the ends. */
  readonly evaluateEvery: number;
  readonly checkpointEvery: number;
  /** Newest checkpoints that are kept, besides the best; absent: 3. */
  readonly keepCheckpoints?: number;
  /** Aborted by SIGINT: the job saves and throws `Interrupted`. */
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((event: StepEvent, eta: number | null) => void) | undefined;
  readonly onEvaluation?: ((step: number, evaluation: Evaluation) => void) | undefined;
}

/**
 * The loop that supervised training and policy gradients share: steps, evaluations, checkpoints, pause and stop. A job
 * that is killed at any moment goes on from its last checkpoint as if nothing had happened.
 */
export async function runTrainingJob(job: TrainingJob): Promise<TrainingProgress> {
  const { run, method, steps, timeLimit } = job;
  let progress = job.progress;
  let saved = progress.step > 0 ? progress.step : -1;
  // A stop or a kill may have come between a step's checkpoint and its evaluation.
  let evaluated = await evaluatedStep(run.dir, progress.step);
  const evaluateAndSave = async (evaluateNow: boolean, saveNow: boolean) => {
    const evaluation = evaluateNow && evaluated !== progress.step ? await evaluationOf(job, progress.step) : null;
    if (evaluation) {
      await run.append({ step: progress.step, time: Date.now() / 1000, evaluation });
      job.onEvaluation?.(progress.step, evaluation);
      evaluated = progress.step;
      const score = method.bestBy === undefined ? undefined : evaluation.metrics[method.bestBy]?.value;
      if (score !== undefined && score > (progress.best?.score ?? Number.NEGATIVE_INFINITY)) {
        progress = { ...progress, best: { step: progress.step, score } };
        saveNow = saveNow || progress.step > 0;
        // A checkpoint that was written before its step was evaluated learns that it is the best.
        const there = saved === progress.step ? await latestCheckpoint(run.dir) : null;
        if (there) await writeJson(path.join(there.dir, 'state.json'), progress);
      }
    }
    if (saveNow && saved !== progress.step) {
      await saveCheckpoint(job, progress);
      saved = progress.step;
    }
  };
  const due = (every: number) => every > 0 && progress.step % every === 0;

  await run.progress(progress.step, null);
  if (progress.step === 0) await evaluateAndSave(true, false);
  for (;;) {
    const wish = job.signal?.aborted ? 'stop' : await run.wish();
    if (wish === 'stop' || (wish === 'pause' && (await pause(job, () => evaluateAndSave(false, true))) === 'stop')) {
      await run.setState('stopping');
      await evaluateAndSave(false, progress.step > 0);
      throw stoppedAfter(run, progress.step);
    }
    if (steps !== null && progress.step >= steps) break;
    if (timeLimit !== null && progress.seconds >= timeLimit) break;
    progress = await oneStep(job, progress);
    await evaluateAndSave(due(job.evaluateEvery), due(job.checkpointEvery));
  }
  await evaluateAndSave(true, true);
  return progress;
}

/** The step where the event log has an evaluation of the loop's own at it; else -1. */
async function evaluatedStep(dir: string, step: number): Promise<number> {
  const evaluations = evaluationsOf(await readEvents(dir));
  const isThere = evaluations.some((event) => event.step === step && event.evaluation.split === 'validation');
  return isThere ? step : -1;
}

/**
 * An evaluation of the present weights; null where there is none, or the run is to stop before its first step: the loop sees
 * to that. A later one belongs to its checkpoint, and comes to its end.
 */
async function evaluationOf({ run, method, signal }: TrainingJob, step: number): Promise<Evaluation | null> {
  if (!method.evaluate) return null;
  if (step > 0) return method.evaluate();
  try {
    return await withCancellation(run, { step, signal }, (checkCancelled) => method.evaluate!(checkCancelled));
  } catch (error) {
    if (error instanceof Interrupted) return null;
    throw error;
  }
}

async function oneStep(job: TrainingJob, progress: TrainingProgress): Promise<TrainingProgress> {
  const step = progress.step + 1;
  const begin = performance.now();
  const { metrics, samples, tokens } = await job.method.step(step);
  const elapsed = (performance.now() - begin) / 1000;
  const seconds = progress.seconds + elapsed;
  for (const [name, value] of Object.entries(metrics)) {
    if (!Number.isFinite(value))
      throw new UserError(
        `Step ${step} gave ${name} = ${value}, so the weights are lost; resume from the last checkpoint with a lower learning_rate.`,
      );
  }
  const num_tokens = progress.num_tokens + tokens;
  const event: StepEvent = {
    step,
    time: Date.now() / 1000,
    ...metrics,
    num_tokens,
    tokens_per_second: tokens / elapsed,
    'time/step': elapsed,
  };
  if (samples) await job.run.samples(step, samples);
  await job.run.append(event);
  const left = [
    job.steps === null ? Number.POSITIVE_INFINITY : ((job.steps - step) * seconds) / step,
    job.timeLimit === null ? Number.POSITIVE_INFINITY : job.timeLimit - seconds,
  ];
  const eta = Math.max(0, Math.min(...left));
  await job.run.progress(step, Number.isFinite(eta) ? eta : null);
  job.onStep?.(event, Number.isFinite(eta) ? eta : null);
  return { ...progress, step, seconds, num_tokens };
}

async function pause({ run, signal }: TrainingJob, save: () => Promise<void>): Promise<'run' | 'stop'> {
  await save();
  return run.whilePaused(signal);
}

async function saveCheckpoint(
  { run, model, method, keepCheckpoints }: TrainingJob,
  progress: TrainingProgress,
): Promise<void> {
  await run.checkpoint(
    progress.step,
    async (folder) => {
      const optimizer = new Map<string, HostTensor>();
      for (const name of resumableState(model)) optimizer.set(name, await model.state.read(name));
      await writeSafetensors(path.join(folder, 'optimizer.safetensors'), optimizer);
      const carried = (await method.state?.()) ?? new Map();
      if (carried.size > 0) await writeSafetensors(path.join(folder, methodFile), carried);
      await writeJson(path.join(folder, 'state.json'), progress);
      await model.save(folder);
    },
    { best: progress.best?.step ?? null, ...(keepCheckpoints === undefined ? {} : { keep: keepCheckpoints }) },
  );
}

/** What a method carries; there is no such file where it carries nothing. */
const methodFile = 'method.safetensors';

/** Where the loop stood at a checkpoint, and the state of optimiser and method there. */
export async function readProgress(checkpoint: string): Promise<{
  progress: TrainingProgress;
  optimizer: Map<string, HostTensor>;
  method: Map<string, HostTensor>;
}> {
  const file = path.join(checkpoint, 'state.json');
  const parsed = progressSchema.safeParse(await readJson(file));
  if (!parsed.success)
    throw new UserError(
      `${file} is not a training state (${parsed.error.issues[0]!.message}); resume from an earlier checkpoint.`,
    );
  const carried = path.join(checkpoint, methodFile);
  return {
    progress: parsed.data,
    optimizer: await readSafetensors(path.join(checkpoint, 'optimizer.safetensors')),
    method: existsSync(carried) ? await readSafetensors(carried) : new Map(),
  };
}

/** State for training from a checkpoint: what it kept, and zeros for the rest. */
export function resumedState(
  { config, adapter }: Pick<Checkpoint, 'config' | 'adapter'>,
  optimizer: ReadonlyMap<string, HostTensor>,
): Map<string, HostTensor> {
  return new Map([...trainingState(config, adapter), ...optimizer]);
}

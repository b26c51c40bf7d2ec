import path from 'node:path';
import { z } from 'zod';
import { resolveModel } from '../catalogue/resolve-model.ts';
import { mostSteps } from '../diffusion/denoise.ts';
import type { Engine } from '../engine/engine.ts';
import { Interrupted, UserError } from '../platform/errors.ts';
import type { AnswerRecord, EvaluationDocument } from '../protocol/evaluation.ts';
import type { RunEvent, StepEvent } from '../protocol/events.ts';
import type { RunConfiguration } from '../protocol/run.ts';
import { runFile } from '../runs/layout.ts';
import { evaluationsOf, readAnswers, readEvents, stepsOf } from '../runs/reader.ts';
import {
  type JobHooks,
  type JobLocation,
  type RunningJob,
  readResumable,
  refuseSetting,
  runJob,
} from '../runs/run-job.ts';
import type { RunWriter } from '../runs/writer.ts';
import type { Task } from '../tasks/task.ts';
import { gradeOf } from './answer-records.ts';
import { gradesByProblem, metricIntervals } from './metrics.ts';
import {
  answerBatch,
  type EvaluationRequest,
  evaluationConfiguration,
  type PreparedEvaluation,
  prepareEvaluation,
} from './prepared-evaluation.ts';
import { evaluationSettings } from './settings.ts';

export interface EvaluationHooks extends JobHooks {
  /** Receives progress lines before the first answer. */
  readonly onPrepare?: (line: string) => void;
  /** Called once, after the first denoising step, with what all answers will take if all steps take as long. */
  readonly onEstimate?: (estimate: AnswersEstimate) => void;
  /** Called after each batch with the number of answers written, the number of all answers, and the seconds left. */
  readonly onProgress?: (done: number, total: number, eta: number) => void;
}

/** What an evaluation will take, known before its first answer. */
export interface AnswersEstimate {
  readonly answers: number;
  /** Denoising steps of an answer; the most of them if the order has no fixed number. */
  readonly steps: number;
  /** Seconds of all answers that are missing. */
  readonly seconds: number;
}

/** Starts an evaluation in a new run directory under `root`. */
export async function startEvaluation(
  engine: Engine,
  root: string,
  request: EvaluationRequest,
  hooks: EvaluationHooks = {},
): Promise<EvaluationDocument> {
  const resolved = await resolveModel(request.model);
  // Problems of the request are reported before a run directory is made.
  const prepared = await prepareEvaluation(engine, resolved, request, hooks.onPrepare);
  if (hooks.signal?.aborted) {
    await prepared.model.dispose();
    throw new Interrupted('The evaluation was stopped before it began; nothing was written.');
  }
  const run = await evaluationConfiguration(engine, resolved, request, prepared);
  return runEvaluation({ location: { root, run }, request, prepared, hooks });
}

/**
 * Continues an evaluation. Answers follow from their own seeds, and batches are the same as in the first process, so the
 * result is bit-identical to that of an uninterrupted evaluation. Throws a `UserError` if model or problems have changed.
 */
export async function resumeEvaluation(
  engine: Engine,
  dir: string,
  hooks: EvaluationHooks = {},
): Promise<EvaluationDocument> {
  const configuration = await readResumable(dir, 'evaluate');
  const { request, kept } = readRequest(dir, configuration);
  const resolved = await resolveModel(configuration.model as string);
  const prepared = await prepareEvaluation(engine, resolved, request, hooks.onPrepare);
  if ((await resolved.digest()) !== kept.weights_digest)
    throw new UserError(
      `The model in ${resolved.folder} has changed since ${dir} was started; start a new evaluation.`,
    );
  if (prepared.digest !== kept.problems_digest)
    throw new UserError(
      `The problems${request.data === null ? '' : ` in ${request.data}`} have changed since ${dir} was started; start a new evaluation.`,
    );
  return runEvaluation({
    location: { dir, step: await answersToKeep(dir) },
    request,
    prepared: { ...prepared, batch: kept.answers_per_batch },
    hooks,
  });
}

const keptSettings = evaluationSettings.extend({
  samples: z.int().positive(),
  as_released: z.boolean(),
  data: z.string().nullable(),
  limit: z.int().positive().nullable(),
  skip_broken: z.boolean(),
  held_out: z.boolean().default(false),
  only: z.array(z.string()).nullable().default(null),
  model_name: z.string(),
  answers_per_batch: z.int().positive(),
  problems_digest: z.string(),
  weights_digest: z.string(),
});

function readRequest(dir: string, { task, seed, settings }: RunConfiguration) {
  const parsed = keptSettings.safeParse(settings);
  if (!parsed.success) refuseSetting(dir, parsed.error.issues[0]!.path.join('.'));
  const kept = parsed.data;
  const request: EvaluationRequest = {
    task: task as string,
    model: kept.model_name,
    data: kept.data,
    limit: kept.limit,
    skipBroken: kept.skip_broken,
    heldOut: kept.held_out,
    only: kept.only,
    samples: kept.samples,
    seed,
    asReleased: kept.as_released,
    settings: evaluationSettings.strip().parse(settings),
  };
  return { request, kept };
}

/** The number of answers of whole batches: a batch counts once its step is in the event log, after its answers. */
async function answersToKeep(dir: string): Promise<number> {
  const { length } = await readAnswers(dir);
  const steps = stepsOf(await readEvents(dir)).map(({ step }) => step);
  return Math.max(0, ...steps.filter((step) => step <= length));
}

interface EvaluationJob {
  readonly location: JobLocation;
  readonly request: EvaluationRequest;
  readonly prepared: PreparedEvaluation;
  readonly hooks: EvaluationHooks;
}

function runEvaluation({ location, request, prepared, hooks }: EvaluationJob): Promise<EvaluationDocument> {
  return runJob({
    location,
    hooks,
    async work(job) {
      await answerTheRest(job, request, prepared, hooks);
      return concludeEvaluation(job.run, request, prepared.task);
    },
    dispose: () => prepared.model.dispose(),
  });
}

async function answerTheRest(
  job: RunningJob,
  request: EvaluationRequest,
  prepared: PreparedEvaluation,
  { onProgress, onEstimate }: EvaluationHooks,
): Promise<void> {
  const { run, signal } = job;
  const { plans, batch, decoding } = prepared;
  const total = plans.length;
  const earlier = stepsOf(await readEvents(run.dir));
  let done = earlier.at(-1)?.step ?? 0;
  let seconds = secondsOf(earlier);
  let isEstimated = false;
  await run.progress(done, null);
  while (done < total) {
    await job.betweenSteps();
    const begin = performance.now();
    const reportProgress = (count: number, share: number, what: string) => {
      const answered = done + count * share;
      const spent = seconds + (performance.now() - begin) / 1000;
      const eta = answered > 0 ? (spent * (total - answered)) / answered : null;
      job.reportProgress({ text: what, counts: [{ name: 'answers', done, total }], eta }, eta);
    };
    const length = Math.min(batch, total - done);
    const which = `answers ${done + 1} to ${done + length}`;
    const steps = mostSteps(decoding);
    const onStep = (share: number) => {
      if (!isEstimated && share > 0) {
        isEstimated = true;
        const step = (performance.now() - begin) / 1000 / (share * steps);
        onEstimate?.({ answers: total - done, steps, seconds: step * steps * Math.ceil((total - done) / batch) });
      }
      reportProgress(length, share, `writing ${which}`);
    };
    const onGraded = (count: number) => reportProgress(length, 1, `grading ${which}: ${count} done`);
    const answers = await answerBatch(prepared, request, done, { signal, onStep, onGraded });
    await run.answers(answers);
    const elapsed = (performance.now() - begin) / 1000;
    done += answers.length;
    seconds += elapsed;
    await run.append(batchEvent(done, answers, elapsed));
    const eta = ((total - done) * seconds) / done;
    await run.progress(done, eta);
    onProgress?.(done, total, eta);
  }
}

/** The step of a batch after which `done` answers are written. */
export const batchEvent = (done: number, answers: readonly AnswerRecord[], seconds: number): StepEvent => ({
  step: done,
  time: Date.now() / 1000,
  tokens_per_second: answers.reduce((sum, { tokens }) => sum + tokens.length, 0) / seconds,
  'time/step': seconds,
});

/** The result of an evaluation all of whose answers are in its run directory, and its event if it has none yet. */
export async function concludeEvaluation(
  run: RunWriter,
  request: Pick<EvaluationRequest, 'model' | 'samples' | 'data'>,
  task: Task,
): Promise<EvaluationDocument> {
  const events = await readEvents(run.dir);
  const answers = await readAnswers(run.dir);
  const document = summarise(run, request, task, answers, events);
  // A finished evaluation that is resumed has its result there already.
  if (evaluationsOf(events).length === 0) {
    const { n, metrics, seconds, forwards_per_answer, tokens_per_forward } = document;
    const split = request.data === null ? 'test' : path.basename(request.data);
    const measures = { forwards_per_answer, tokens_per_forward };
    const evaluation = { task: task.name, split, n, metrics, measures, seconds };
    await run.append({ step: answers.length, time: Date.now() / 1000, evaluation });
  }
  return document;
}

function summarise(
  run: RunWriter,
  { model, samples }: Pick<EvaluationRequest, 'model' | 'samples'>,
  task: Task,
  answers: readonly AnswerRecord[],
  events: readonly RunEvent[],
): EvaluationDocument {
  const forwards = answers.reduce((sum, answer) => sum + answer.forwards, 0);
  const tokens = answers.reduce((sum, answer) => sum + answer.tokens.length, 0);
  const grades = gradesByProblem(
    answers.map((answer) => ({ grade: gradeOf(answer) })),
    samples,
  );
  return {
    task: task.name,
    model,
    n: grades.length,
    metrics: metricIntervals(task, grades),
    forwards_per_answer: forwards / answers.length,
    tokens_per_forward: tokens / forwards,
    seconds: secondsOf(stepsOf(events)),
    results: runFile(run.dir).answers,
    run: run.configuration.name,
    dir: run.dir,
  };
}

const secondsOf = (steps: readonly StepEvent[]): number =>
  steps.reduce((sum, step) => sum + (step['time/step'] ?? 0), 0);

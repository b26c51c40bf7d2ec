import path from 'node:path';
import { z } from 'zod';
import { resolveModel } from '../catalogue/resolve-model.ts';
import type { DecodingOptions } from '../diffusion/denoise.ts';
import type { Engine } from '../engine/engine.ts';
import { assertDenoises } from '../model/config.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { loadForInference } from '../model/load-served.ts';
import { memoryNeeded, parametersOf } from '../model/memory.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import { Interrupted, UserError } from '../platform/errors.ts';
import { packageVersion } from '../platform/package-root.ts';
import type { AnswerRecord, EvaluationDocument } from '../protocol/evaluation.ts';
import type { RunEvent, StepEvent } from '../protocol/events.ts';
import type { Json, RunConfiguration } from '../protocol/run.ts';
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
import { taskByName } from '../tasks/registry.ts';
import type { PromptFormat, Task } from '../tasks/task.ts';
import { answerRecord, gradeOf, problemNames, problemsDigest } from './answer-records.ts';
import { type AnswerPlan, batchSize, defaultDecoding, planAnswers, writeAnswers } from './answers.ts';
import { gradeAnswers } from './evaluate.ts';
import { gradesByProblem, metricIntervals } from './metrics.ts';
import { readProblems } from './problems.ts';
import { decodingOf, type EvaluationSettings, evaluationSettings } from './settings.ts';

/** What an evaluation is asked to do; all of it is kept in `run.json`, so that it can be resumed. */
export interface EvaluationRequest {
  readonly task: string;
  /** As its user names it. */
  readonly model: string;
  /** A file of problems; null: those that the task makes. */
  readonly data: string | null;
  readonly limit: number | null;
  readonly skipBroken: boolean;
  /** Take only every eighth problem of the file: those held out by runs that split by position. */
  readonly heldOut: boolean;
  /** Take only these problems of the file, by digest of their content; null or absent: all of them. */
  readonly only?: readonly string[] | null;
  /** Answers per problem. */
  readonly samples: number;
  readonly seed: number;
  readonly asReleased: boolean;
  readonly settings: EvaluationSettings;
}

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
  /** Denoising steps of an answer; the most of them if `threshold` decides. */
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
  const prepared = await prepare(engine, resolved, request, hooks);
  if (hooks.signal?.aborted) {
    await prepared.model.dispose();
    throw new Interrupted('The evaluation was stopped before it began; nothing was written.');
  }
  const { task, model, seed, settings, samples, data, limit, skipBroken, heldOut, only = null, asReleased } = request;
  const run = {
    kind: 'evaluate',
    task,
    model: resolved.folder,
    objective: null,
    seed,
    steps: prepared.plans.length,
    settings: {
      ...(settings as EvaluationSettings & Record<string, Json>),
      samples,
      as_released: asReleased,
      data: data === null ? null : path.resolve(data),
      limit,
      skip_broken: skipBroken,
      held_out: heldOut,
      only,
      model_name: model,
      answers_per_batch: prepared.batch,
      problems_digest: prepared.digest,
      weights_digest: await resolved.digest(),
    },
    device: { engine: engine.name, device: engine.device },
    memory: memoryNeeded(parametersOf(prepared.model.config), prepared.model.config),
    versions: { unmask: packageVersion(), node: process.versions.node },
  } as const;
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
  const prepared = await prepare(engine, resolved, request, hooks);
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

interface Prepared {
  readonly task: Task;
  readonly model: LanguageModel;
  readonly format: PromptFormat;
  readonly decoding: DecodingOptions;
  readonly plans: readonly AnswerPlan[];
  /** Name of each problem. */
  readonly names: readonly string[];
  readonly digest: string;
  /** Answers per batch. */
  readonly batch: number;
}

async function prepare(
  engine: Engine,
  resolved: ResolvedModel,
  { task: name, model: named, samples, seed, settings, ...choice }: EvaluationRequest,
  { onPrepare }: EvaluationHooks,
): Promise<Prepared> {
  const task = taskByName(name);
  const rows = await readProblems(task, choice, onPrepare);
  assertDenoises(resolved.config);
  const model = await loadForInference(engine, resolved);
  const format = settings.format ?? model.generation.prompt_format;
  const decoding = decodingOf(settings, defaultDecoding(model, task, format, settings.infilling), samples);
  if (rows.some((row) => model.tokenizer.dropsRowsOf(task.prompt(row, format))))
    throw new UserError(`The model ${named} has no tokens for prompts of ${task.name}; choose a model trained for it.`);
  const plans = planAnswers(model, task, rows, { format, samples, seed, decoding });
  const names = problemNames(rows);
  const batch = batchSize(plans, decoding);
  return { task, model, format, decoding, plans, names, digest: problemsDigest(names), batch };
}

interface EvaluationJob {
  readonly location: JobLocation;
  readonly request: EvaluationRequest;
  readonly prepared: Prepared;
  readonly hooks: EvaluationHooks;
}

function runEvaluation({ location, request, prepared, hooks }: EvaluationJob): Promise<EvaluationDocument> {
  return runJob({
    location,
    hooks,
    async work(job) {
      await answerTheRest(job, request, prepared, hooks);
      const { run } = job;
      const events = await readEvents(run.dir);
      const document = summarise(run, request, prepared.task, await readAnswers(run.dir), events);
      // A finished evaluation that is resumed has its result there already.
      if (evaluationsOf(events).length === 0) {
        const { task, n, metrics, seconds, forwards_per_answer, tokens_per_forward } = document;
        const split = request.data === null ? 'test' : path.basename(request.data);
        const measures = { forwards_per_answer, tokens_per_forward };
        const evaluation = { task, split, n, metrics, measures, seconds };
        await run.append({ step: prepared.plans.length, time: Date.now() / 1000, evaluation });
      }
      return document;
    },
    dispose: () => prepared.model.dispose(),
  });
}

async function answerTheRest(
  job: RunningJob,
  { samples, asReleased }: EvaluationRequest,
  { task, model, format, decoding, plans, names, batch }: Prepared,
  { onProgress, onEstimate }: EvaluationHooks,
): Promise<void> {
  const { run, signal } = job;
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
    const batchPlans = plans.slice(done, done + batch);
    const which = `answers ${done + 1} to ${done + batchPlans.length}`;
    const steps = decoding.order === 'threshold' ? decoding.length : decoding.steps;
    const onStep = (share: number) => {
      if (!isEstimated && share > 0) {
        isEstimated = true;
        const step = (performance.now() - begin) / 1000 / (share * steps);
        onEstimate?.({ answers: total - done, steps, seconds: step * steps * Math.ceil((total - done) / batch) });
      }
      reportProgress(batchPlans.length, share, `writing ${which}`);
    };
    const written = await writeAnswers(model, batchPlans, { decoding, signal, onStep });
    const onGraded = (count: number) => reportProgress(batchPlans.length, 1, `grading ${which}: ${count} done`);
    const graded = await gradeAnswers(task, written, { format, asReleased }, { signal, onProgress: onGraded });
    await run.answers(
      graded.map((answer, index) => {
        const position = done + index;
        return answerRecord(
          answer,
          names[Math.floor(position / samples)] as string,
          position % samples,
          model.tokenizer,
        );
      }),
    );
    const elapsed = (performance.now() - begin) / 1000;
    const tokens = graded.reduce((sum, { denoised }) => sum + denoised.tokens.length, 0);
    done += graded.length;
    seconds += elapsed;
    await run.append({
      step: done,
      time: Date.now() / 1000,
      tokens_per_second: tokens / elapsed,
      'time/step': elapsed,
    });
    const eta = ((total - done) * seconds) / done;
    await run.progress(done, eta);
    onProgress?.(done, total, eta);
  }
}

function summarise(
  run: RunWriter,
  { model, samples }: EvaluationRequest,
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

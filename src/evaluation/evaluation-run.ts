import path from 'node:path';
import { z } from 'zod';
import type { DecodingOptions } from '../diffusion/denoise.ts';
import type { Engine } from '../engine/engine.ts';
import { openCheckpoint, weightsDigest } from '../model/checkpoint.ts';
import { assertDenoises } from '../model/config.ts';
import { findModel } from '../model/find-model.ts';
import { LanguageModel } from '../model/language-model.ts';
import { memoryNeeded, parametersOf } from '../model/memory.ts';
import { Interrupted, UsageError, UserError } from '../platform/errors.ts';
import { packageVersion } from '../platform/package-root.ts';
import type { AnswerRecord, EvaluationDocument } from '../protocol/evaluation.ts';
import type { RunEvent, StepEvent } from '../protocol/events.ts';
import type { Json, RunConfiguration } from '../protocol/run.ts';
import { readConfiguration, resumeCommand } from '../runs/directory.ts';
import { runFile } from '../runs/layout.ts';
import { assertNotInUse } from '../runs/lock.ts';
import { evaluationsOf, readAnswers, readEvents, stepsOf } from '../runs/reader.ts';
import { RunWriter } from '../runs/writer.ts';
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
  /** Of the file's problems only those that tuning on it does not see. */
  readonly heldOut: boolean;
  /** Answers per problem. */
  readonly samples: number;
  readonly seed: number;
  readonly asReleased: boolean;
  readonly settings: EvaluationSettings;
}

export interface EvaluationHooks {
  readonly signal?: AbortSignal | undefined;
  /** Sees what is done before the first answer. */
  readonly onPrepare?: (line: string) => void;
  readonly onStart?: (run: RunWriter) => void;
  /** Called with the answers written so far, all of them, and the seconds left. */
  readonly onProgress?: (done: number, total: number, eta: number) => void;
}

/** Starts an evaluation in a new run directory under `root`. */
export async function startEvaluation(
  engine: Engine,
  root: string,
  request: EvaluationRequest,
  hooks: EvaluationHooks = {},
): Promise<EvaluationDocument> {
  const folder = await findModel(request.model);
  // What cannot work is found before a run directory is made.
  const prepared = await prepare(engine, folder, request, hooks);
  if (hooks.signal?.aborted) throw new Interrupted('The evaluation was stopped; nothing was written.');
  const { task, model, seed, settings, samples, data, limit, skipBroken, heldOut, asReleased } = request;
  const run = await RunWriter.create(root, {
    kind: 'evaluate',
    task,
    model: folder,
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
      model_name: model,
      answers_per_batch: prepared.batch,
      problems_digest: prepared.digest,
      weights_digest: await weightsDigest(folder),
    },
    device: { engine: engine.name, device: engine.device },
    memory: memoryNeeded(parametersOf(prepared.model.config), prepared.model.config),
    versions: { unmask: packageVersion(), node: process.versions.node },
  });
  return work({ run, request, prepared, hooks });
}

/**
 * Goes on with an evaluation. Answers follow from their own seeds, and batches are cut where the first process cut
 * them, so the result is the one that an undisturbed evaluation gives, to the bit. Throws a `UserError` where model or
 * problems are not the same any more.
 */
export async function resumeEvaluation(
  engine: Engine,
  dir: string,
  hooks: EvaluationHooks = {},
): Promise<EvaluationDocument> {
  const configuration = await readConfiguration(dir);
  if (configuration.kind !== 'evaluate')
    throw new UsageError(
      `${dir} is a run of kind ${configuration.kind}, not an evaluation; resume it with the command that started it.`,
    );
  await assertNotInUse(dir);
  const { request, kept } = readRequest(dir, configuration);
  const folder = configuration.model as string;
  const prepared = await prepare(engine, folder, request, hooks);
  if ((await weightsDigest(folder)) !== kept.weights_digest)
    throw new UserError(`The model in ${folder} has changed since ${dir} was started; start a new evaluation.`);
  if (prepared.digest !== kept.problems_digest)
    throw new UserError(
      `The problems${request.data === null ? '' : ` in ${request.data}`} have changed since ${dir} was started; start a new evaluation.`,
    );
  const run = await RunWriter.resume(dir, await answersToKeep(dir));
  return work({ run, request, prepared: { ...prepared, batch: kept.answers_per_batch }, hooks });
}

const keptSettings = evaluationSettings.extend({
  samples: z.int().positive(),
  as_released: z.boolean(),
  data: z.string().nullable(),
  limit: z.int().positive().nullable(),
  skip_broken: z.boolean(),
  held_out: z.boolean().default(false),
  model_name: z.string(),
  answers_per_batch: z.int().positive(),
  problems_digest: z.string(),
  weights_digest: z.string(),
});

function readRequest(dir: string, { task, seed, settings }: RunConfiguration) {
  const parsed = keptSettings.safeParse(settings);
  if (!parsed.success)
    throw new UserError(
      `${dir}/run.json holds the setting ${parsed.error.issues[0]!.path.join('.')} that this version does not take; start a new evaluation.`,
    );
  const kept = parsed.data;
  const request: EvaluationRequest = {
    task: task as string,
    model: kept.model_name,
    data: kept.data,
    limit: kept.limit,
    skipBroken: kept.skip_broken,
    heldOut: kept.held_out,
    samples: kept.samples,
    seed,
    asReleased: kept.as_released,
    settings: evaluationSettings.strip().parse(settings),
  };
  return { request, kept };
}

/** The answers of whole batches: a batch counts once its step is in the event log, and its answers stand before that. */
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
  folder: string,
  { task: name, model: named, samples, seed, settings, ...choice }: EvaluationRequest,
  { onPrepare }: EvaluationHooks,
): Promise<Prepared> {
  const task = taskByName(name);
  const rows = await readProblems(task, choice, onPrepare);
  const checkpoint = await openCheckpoint(folder);
  assertDenoises(checkpoint.config);
  const model = await LanguageModel.load(engine, checkpoint);
  const format = settings.format ?? model.generation.prompt_format;
  const decoding = decodingOf(settings, defaultDecoding(model, task, format), samples);
  if (rows.some((row) => model.tokenizer.losesSomeOf(task.prompt(row, format))))
    throw new UserError(`The model ${named} has no tokens for prompts of ${task.name}; choose a model trained for it.`);
  const plans = planAnswers(model, task, rows, { format, samples, seed });
  const names = problemNames(rows);
  const batch = batchSize(plans, decoding);
  return { task, model, format, decoding, plans, names, digest: problemsDigest(names), batch };
}

interface Work {
  readonly run: RunWriter;
  readonly request: EvaluationRequest;
  readonly prepared: Prepared;
  readonly hooks: EvaluationHooks;
}

async function work({ run, request, prepared, hooks }: Work): Promise<EvaluationDocument> {
  hooks.onStart?.(run);
  try {
    await answerTheRest(run, request, prepared, hooks);
    const events = await readEvents(run.dir);
    const document = summarise(run, request, prepared.task, await readAnswers(run.dir), events);
    // A finished evaluation that is resumed has its own there already.
    if (evaluationsOf(events).length === 0) {
      const { task, n, metrics, seconds, forwards_per_answer, tokens_per_forward } = document;
      const split = request.data === null ? 'test' : path.basename(request.data);
      const measures = { forwards_per_answer, tokens_per_forward };
      const evaluation = { task, split, n, metrics, measures, seconds };
      await run.append({ step: prepared.plans.length, time: Date.now() / 1000, evaluation });
    }
    await run.result(document);
    await run.close('finished');
    return document;
  } catch (error) {
    await run.close(error instanceof Interrupted ? 'interrupted' : 'failed', error);
    throw error;
  } finally {
    await prepared.model.dispose();
  }
}

async function answerTheRest(
  run: RunWriter,
  { samples, asReleased }: EvaluationRequest,
  { task, model, format, decoding, plans, names, batch }: Prepared,
  { signal, onProgress }: EvaluationHooks,
): Promise<void> {
  const earlier = stepsOf(await readEvents(run.dir));
  let done = earlier.at(-1)?.step ?? 0;
  let seconds = secondsOf(earlier);
  const stop = (): never => {
    throw new Interrupted(
      `Stopped after ${done} of ${plans.length} answers; \`${resumeCommand(run.configuration, run.dir)}\` goes on from there.`,
    );
  };
  await run.progress(done, null);
  while (done < plans.length) {
    const wish = signal?.aborted ? 'stop' : await run.wish();
    if (wish === 'stop' || (wish === 'pause' && (await run.whilePaused(signal)) === 'stop')) stop();
    const begin = performance.now();
    const written = await writeAnswers(model, plans.slice(done, done + batch), {
      decoding,
      checkCancelled: () => {
        if (signal?.aborted) stop();
      },
    });
    const graded = await gradeAnswers(task, written, { format, asReleased }, signal);
    await run.answers(
      graded.map((given, index) => {
        const place = done + index;
        return answerRecord(given, names[Math.floor(place / samples)] as string, place % samples, model.tokenizer);
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
    const eta = ((plans.length - done) * seconds) / done;
    await run.progress(done, eta);
    onProgress?.(done, plans.length, eta);
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

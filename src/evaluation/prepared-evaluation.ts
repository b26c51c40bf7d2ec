/** What an evaluation needs before its first answer: its problems, its model, and the seed of every answer. */
import path from 'node:path';
import type { DecodingOptions } from '../diffusion/denoise.ts';
import type { Engine } from '../engine/engine.ts';
import { assertDenoises } from '../model/config.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { loadForInference } from '../model/load-served.ts';
import { memoryNeeded, parametersOf } from '../model/memory.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import { UserError } from '../platform/errors.ts';
import { packageVersion } from '../platform/package-root.ts';
import type { AnswerRecord } from '../protocol/evaluation.ts';
import type { Json } from '../protocol/run.ts';
import type { NewRun } from '../runs/directory.ts';
import { taskByName } from '../tasks/registry.ts';
import type { PromptFormat, Task } from '../tasks/task.ts';
import { answerRecord, problemNames, problemsDigest } from './answer-records.ts';
import { type AnswerPlan, batchSize, defaultDecoding, planAnswers, writeAnswers } from './answers.ts';
import { gradeAnswers } from './evaluate.ts';
import { readProblems } from './problems.ts';
import { decodingOf, type EvaluationSettings } from './settings.ts';

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

/** An evaluation that is ready to begin. */
export interface PreparedEvaluation {
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

/** Loads the model and plans all answers. Throws a `UserError` if the model cannot answer the problems. */
export async function prepareEvaluation(
  engine: Engine,
  resolved: ResolvedModel,
  { task: name, model: named, samples, seed, settings, ...choice }: EvaluationRequest,
  onPrepare?: (line: string) => void,
): Promise<PreparedEvaluation> {
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

/** `run.json` of an evaluation: everything that its answers depend on. */
export async function evaluationConfiguration(
  engine: Engine,
  resolved: ResolvedModel,
  request: EvaluationRequest,
  prepared: PreparedEvaluation,
): Promise<NewRun> {
  const { task, model, seed, settings, samples, data, limit, skipBroken, heldOut, only = null, asReleased } = request;
  return {
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
  };
}

/** The answers from number `start` on that make up a batch, generated and graded. */
export async function answerBatch(
  { task, model, format, decoding, plans, names, batch }: PreparedEvaluation,
  { samples, asReleased }: Pick<EvaluationRequest, 'samples' | 'asReleased'>,
  start: number,
  { signal, onStep, onGraded }: BatchHooks,
): Promise<AnswerRecord[]> {
  const written = await writeAnswers(model, plans.slice(start, start + batch), {
    decoding,
    signal,
    ...(onStep === undefined ? {} : { onStep }),
  });
  const graded = await gradeAnswers(task, written, { format, asReleased }, { signal, onProgress: onGraded });
  return graded.map((answer, index) => {
    const position = start + index;
    const problem = names[Math.floor(position / samples)] as string;
    return answerRecord(answer, problem, position % samples, model.tokenizer);
  });
}

interface BatchHooks {
  readonly signal: AbortSignal;
  /** Called before each denoising step with the share of the steps that are done. */
  readonly onStep?: (share: number) => void;
  /** Called with the number of graded answers of the batch. */
  readonly onGraded?: ((count: number) => void) | undefined;
}

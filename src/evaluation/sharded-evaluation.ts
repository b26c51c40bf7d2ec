/**
 * An evaluation whose problems are divided among shards. Batches are those of the evaluation as a whole, because the last digits of
 * a confidence can depend on what else is in a batch: a part is the smallest number of whole batches that holds whole problems.
 */
import * as z from 'zod';
import { resolveModel } from '../catalogue/resolve-model.ts';
import type { Engine } from '../engine/engine.ts';
import { UserError } from '../platform/errors.ts';
import type { AnswerRecord, EvaluationDocument } from '../protocol/evaluation.ts';
import { answerRecordSchema, runConfigurationSchema } from '../runs/records.ts';
import { type JobHooks, runJob } from '../runs/run-job.ts';
import type { Inputs, ShardedWork } from '../shards/plan.ts';
import type { Gathered } from '../shards/shard-work.ts';
import { taskByName } from '../tasks/registry.ts';
import { batchEvent, concludeEvaluation } from './evaluation-run.ts';
import {
  answerBatch,
  type EvaluationRequest,
  evaluationConfiguration,
  type PreparedEvaluation,
  prepareEvaluation,
} from './prepared-evaluation.ts';

/** All answers to a problem, and the seconds that each took: an equal share of its batch. */
export interface ProblemRow {
  readonly answers: readonly AnswerRecord[];
  readonly seconds: readonly number[];
}

export const problemRowSchema: z.ZodType<ProblemRow> = z.object({
  answers: z.array(answerRecordSchema),
  seconds: z.array(z.number()),
});

/** The rows of an evaluation, ready to be computed. */
export interface ShardedEvaluation {
  readonly work: ShardedWork;
  compute(first: number, end: number): Promise<ProblemRow[]>;
  dispose(): Promise<void>;
}

/** Prepares an evaluation for a shard. Nothing is written. */
export async function shardedEvaluation(
  engine: Engine,
  request: EvaluationRequest,
  { signal, onPrepare }: { readonly signal: AbortSignal; readonly onPrepare: (line: string) => void },
): Promise<ShardedEvaluation> {
  const resolved = await resolveModel(request.model);
  const prepared = await prepareEvaluation(engine, resolved, request, onPrepare);
  const run = await evaluationConfiguration(engine, resolved, request, prepared);
  // The names of model and file may differ between machines; their contents may not.
  const { model_name: _, data: __, ...settings } = run.settings;
  return {
    work: {
      command: 'eval',
      inputs: { task: run.task, seed: run.seed, ...settings },
      about: { run },
      rows: prepared.names,
      rowsPerPart: leastCommonMultiple(prepared.batch, request.samples) / request.samples,
    },
    compute: (first, end) => answerProblems(prepared, request, first, end, signal),
    dispose: () => prepared.model.dispose(),
  };
}

async function answerProblems(
  prepared: PreparedEvaluation,
  request: EvaluationRequest,
  first: number,
  end: number,
  signal: AbortSignal,
): Promise<ProblemRow[]> {
  const { samples } = request;
  const answers: AnswerRecord[] = [];
  const seconds: number[] = [];
  for (let start = first * samples; start < end * samples; start += prepared.batch) {
    signal.throwIfAborted();
    const begin = performance.now();
    const batch = await answerBatch(prepared, request, start, { signal });
    answers.push(...batch);
    seconds.push(...batch.map(() => (performance.now() - begin) / 1000 / batch.length));
  }
  return Array.from({ length: end - first }, (_, row) => {
    const [from, to] = [row * samples, (row + 1) * samples];
    return { answers: answers.slice(from, to), seconds: seconds.slice(from, to) };
  });
}

const gatheredSchema = z.looseObject({
  samples: z.int().positive(),
  answers_per_batch: z.int().positive(),
  model_name: z.string(),
  data: z.string().nullable(),
});

/** Writes the gathered answers as an evaluation in a new run directory under `root`, as `startEvaluation` would. */
export async function gatherEvaluation(
  root: string,
  { plan, rows }: Gathered<ProblemRow>,
  hooks: JobHooks,
): Promise<EvaluationDocument> {
  const { run, samples, batch, ...request } = readRun(plan.about);
  const answers = rows.flatMap((row) => row.answers);
  const seconds = rows.flatMap((row) => row.seconds);
  if (answers.length !== samples * rows.length || seconds.length !== answers.length)
    throw new UserError(
      `The shards hold ${answers.length} answers instead of ${samples * rows.length}; run them again.`,
    );
  return runJob({
    location: { root, run: { ...run, steps: answers.length } },
    hooks,
    async work({ run: writer }) {
      for (let start = 0; start < answers.length; start += batch) {
        const written = answers.slice(start, start + batch);
        await writer.answers(written);
        const elapsed = seconds.slice(start, start + batch).reduce((sum, one) => sum + one, 0);
        await writer.append(batchEvent(start + written.length, written, elapsed));
      }
      await writer.progress(answers.length, 0);
      return concludeEvaluation(writer, { ...request, samples }, taskByName(run.task ?? ''));
    },
  });
}

function readRun({ run }: Inputs) {
  const parsed = runConfigurationSchema.omit({ schema: true, name: true, createdAt: true }).safeParse(run);
  const settings = gatheredSchema.safeParse(parsed.data?.settings);
  if (!parsed.success || !settings.success)
    throw new UserError(
      'The plan of the shards does not say how the evaluation ran; run the shards again in a new folder.',
    );
  const { samples, answers_per_batch: batch, model_name: model, data } = settings.data;
  return { run: parsed.data, samples, batch, model, data };
}

function leastCommonMultiple(a: number, b: number): number {
  let [divisor, rest] = [a, b];
  while (rest > 0) [divisor, rest] = [rest, divisor % rest];
  return (a / divisor) * b;
}

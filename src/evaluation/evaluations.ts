import { stat } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { messageOf, UserError } from '../platform/errors.ts';
import type { EvaluationSummary } from '../protocol/evaluation.ts';
import type { Json, RunConfiguration } from '../protocol/run.ts';
import { findRun, readConfiguration, resumeCommand } from '../runs/directory.ts';
import { namesIn, runFile } from '../runs/layout.ts';
import { readRecordIfThere } from '../runs/read-record.ts';
import { summarizeRun } from '../runs/reader.ts';
import { evaluationDocumentSchema } from '../runs/records.ts';
import { evaluationSettings } from './settings.ts';

/** The settings from `run.json` that a list shows; an invalid field has its default. */
const listedSettings = z.looseObject({
  samples: z.int().positive().catch(1),
  as_released: z.boolean().catch(false),
  data: z.string().nullable().catch(null),
  model_name: z.string().nullable().catch(null),
});

const decodingNames = Object.keys(evaluationSettings.shape);

function decoding(name: string, configuration: RunConfiguration | null): [string, Json][] {
  const value = configuration?.settings[name];
  return value === undefined ? [] : [[name, value]];
}

/** Summarises an evaluation. An unreadable file becomes its `error`, so that a list still shows the others. */
export async function summarizeEvaluation(dir: string): Promise<EvaluationSummary> {
  const { run, state, step, steps, eta, task, createdAt, error } = await summarizeRun(dir);
  const configuration = await readConfiguration(dir).catch(() => null);
  const settings = listedSettings.parse(configuration?.settings ?? {});
  let problem = error;
  const result =
    state === 'finished'
      ? await readRecordIfThere(runFile(dir).result, evaluationDocumentSchema).catch((cause: unknown) => {
          problem ??= messageOf(cause);
          return null;
        })
      : null;
  return {
    run,
    dir,
    state,
    step,
    steps,
    eta,
    task,
    model: settings.model_name ?? configuration?.model ?? null,
    samples: settings.samples,
    asReleased: settings.as_released,
    data: settings.data,
    seed: configuration?.seed ?? null,
    settings: Object.fromEntries(decodingNames.flatMap((name) => decoding(name, configuration))),
    createdAt,
    result,
    ...(problem === undefined ? {} : { error: problem }),
  };
}

/** The evaluations in a folder, newest first. Anything else is skipped. */
export async function listEvaluations(root: string): Promise<EvaluationSummary[]> {
  const evaluations: EvaluationSummary[] = [];
  for (const name of (await namesIn(root)).sort().reverse()) {
    const dir = path.join(root, name);
    const entry = await stat(runFile(dir).configuration).catch(() => null);
    if (entry?.isFile()) evaluations.push(await summarizeEvaluation(dir));
  }
  return evaluations;
}

/** The evaluation that a user names. Throws a `UserError` if it is another kind of run. */
export async function findEvaluation(root: string, name: string): Promise<EvaluationSummary> {
  const dir = await findRun(root, name, 'evaluations');
  const { kind } = await readConfiguration(dir);
  if (kind !== 'evaluate')
    throw new UserError(`${dir} is a run of kind ${kind}, not an evaluation; \`unmask evaluations list\` names them.`);
  return summarizeEvaluation(dir);
}

/** Throws a `UserError` with advice if an evaluation has no result yet. */
export function assertFinished({ dir, state, step, steps, error }: EvaluationSummary): void {
  if (state === 'finished' && error === undefined) return;
  if (state === 'finished') throw new UserError(error as string);
  const command = resumeCommand({ kind: 'evaluate' }, dir);
  throw new UserError(
    ['failed', 'interrupted'].includes(state)
      ? `The evaluation ${dir} ended after ${step} of ${steps} answers; resume it with \`${command}\`.`
      : `The evaluation ${dir} is at ${step} of ${steps} answers; wait until it has finished.`,
  );
}

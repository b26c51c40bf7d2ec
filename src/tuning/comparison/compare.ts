/**
 * A fair comparison of objectives, or of settings of one objective: the same base, problems, number of rollouts and
 * evaluation, the learning rate chosen from the same number of trials, and several seeds. Finished work is stored
 * (`store.ts`). The rest is done in the order of seeds, so that every objective has its first seed before any has its
 * second.
 */
import { resolveModel } from '../../catalogue/resolve-model.ts';
import type { Engine } from '../../engine/engine.ts';
import { defaultDecoding } from '../../evaluation/answers.ts';
import { evaluate } from '../../evaluation/evaluate.ts';
import { openCheckpoint } from '../../model/checkpoint.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { Interrupted, messageOf, UserError } from '../../platform/errors.ts';
import { packageVersion } from '../../platform/package-root.ts';
import type { StepEvent } from '../../protocol/events.ts';
import type { Interval } from '../../protocol/interval.ts';
import { evaluationsOf, readEvents, readStatus, stepsOf } from '../../runs/reader.ts';
import { taskByName } from '../../tasks/registry.ts';
import type { TuningRequest } from '../tuning-request.ts';
import { resumeTuning, startTuning, type TuningHooks, type TuningResult } from '../tuning-run.ts';
import type { ComparisonPlan, ComparisonRow, CurvePoint, FailedRow, RateTrial } from './records.ts';
import { readRows, readTrial, recordPlan, recordRun, runsOf, startedRun, writeRow, writeTrial } from './store.ts';
import { fileNameOf, type Variant } from './variants.ts';

export interface Comparison {
  readonly engine: Engine;
  /** Folder of the comparison. */
  readonly dir: string;
  readonly plan: ComparisonPlan;
  readonly variants: readonly Variant[];
  /** Seeds 0 to seeds - 1; 0: only collect existing results. */
  readonly seeds: number;
  readonly signal?: AbortSignal | undefined;
  readonly progress: (line: string) => void;
}

/** Seed of the trials, different from all reported seeds. */
const trialSeed = 1_000_000;
/** Sampling temperature of the answers for pass@k. */
const sampleTemperature = 0.9;

/** Computes the rows that are missing, and returns all rows. Every finished row is written to disk before the next one begins. */
export async function compare(comparison: Comparison): Promise<(ComparisonRow | FailedRow)[]> {
  const { dir, plan, variants, seeds } = comparison;
  await recordPlan(dir, plan);
  const known = await readRows(dir);
  const missing = (variant: Variant, seed: number) =>
    !known.some((row) => row.objective === variant.label && row.seed === seed);
  const trialsOf = new Map<Variant, RateTrial[]>();
  for (const variant of variants)
    if (Array.from({ length: seeds }, (_, seed) => seed).some((seed) => missing(variant, seed)))
      trialsOf.set(variant, await tryRates(comparison, variant));
  for (let seed = 0; seed < seeds; seed++)
    for (const variant of variants.filter((each) => missing(each, seed)))
      await finishRow(comparison, variant, seed, trialsOf.get(variant) as RateTrial[]);
  return readRows(dir);
}

/** Tunes and evaluates one seed of an objective at the best of its learning rates, and writes the row. */
export async function finishRow(
  comparison: Comparison,
  variant: Variant,
  seed: number,
  trials: readonly RateTrial[],
): Promise<ComparisonRow | FailedRow> {
  comparison.progress(`${variant.label}, seed ${seed}`);
  const learning_rate = bestRate(comparison.plan, trials);
  const row = await rowOf(comparison, variant, { seed, learning_rate, trials });
  await writeRow(comparison.dir, row);
  return row;
}

/** The learning rate with the best validation score; among equal scores, the smallest rate. */
function bestRate({ learning_rates: rates }: ComparisonPlan, trials: readonly RateTrial[]): number {
  const ranked = trials.toSorted((a, b) => (b.score ?? -1) - (a.score ?? -1) || a.learning_rate - b.learning_rate);
  return ranked[0]?.learning_rate ?? rates[0]!;
}

/** The results of all learning rates of an objective; none if there is only one to choose from. */
async function tryRates(comparison: Comparison, variant: Variant): Promise<RateTrial[]> {
  const { length } = comparison.plan.learning_rates;
  if (length === 1) return [];
  const trials: RateTrial[] = [];
  for (let index = 0; index < length; index++) trials.push(await finishTrial(comparison, variant, index));
  return trials;
}

/** The result of a trial of the learning rate with this index. If it is not stored, the trial is run and its result stored. */
export async function finishTrial(comparison: Comparison, variant: Variant, index: number): Promise<RateTrial> {
  const work = `${fileNameOf(variant.label)}-trial-${index}`;
  const known = await readTrial(comparison.dir, work);
  if (known !== null) return known;
  const learning_rate = comparison.plan.learning_rates[index]!;
  const trial = await tryRate(comparison, variant, { work, learning_rate });
  await writeTrial(comparison.dir, work, trial);
  return trial;
}

async function tryRate(
  comparison: Comparison,
  variant: Variant,
  { work, learning_rate }: { work: string; learning_rate: number },
): Promise<RateTrial> {
  const { plan, progress } = comparison;
  progress(`${variant.label}, learning rate ${learning_rate}`);
  const trial = { seed: trialSeed, steps: plan.trial_steps, learning_rate, testProblems: 0 };
  const request = requestOf(plan, variant, trial);
  const done = await run(comparison, work, request);
  return { learning_rate, score: 'failed' in done ? null : await lastScore(plan.task, done.dir) };
}

async function lastScore(task: string, dir: string): Promise<number | null> {
  const evaluations = evaluationsOf(await readEvents(dir)).filter(
    ({ evaluation }) => evaluation.split === 'validation',
  );
  return evaluations.at(-1)?.evaluation.metrics[taskByName(task).metrics[0]]?.value ?? null;
}

async function rowOf(
  comparison: Comparison,
  variant: Variant,
  { seed, learning_rate, trials }: Pick<ComparisonRow, 'seed' | 'learning_rate' | 'trials'>,
): Promise<ComparisonRow | FailedRow> {
  const { engine, plan } = comparison;
  const { settings } = variant;
  const row = { objective: variant.label, seed, learning_rate, trials };
  const request = requestOf(plan, variant, { seed, steps: plan.steps, learning_rate, testProblems: plan.problems });
  const done = await run(comparison, `${fileNameOf(variant.label)}-seed-${seed}`, request);
  if ('failed' in done) return { ...row, failed: done.failed };
  const events = await readEvents(done.dir);
  const steps = stepsOf(events);
  const perStep = settings.prompts_per_step * settings.group_size;
  const secondsAfter = secondsBy(steps);
  const at = (step: number, value: number): CurvePoint => ({
    step,
    rollouts: step * perStep,
    seconds: secondsAfter.get(step) ?? 0,
    value,
  });
  const metric = taskByName(plan.task).metrics[0];
  return {
    ...row,
    rollouts: done.steps * perStep,
    seconds: done.seconds,
    seconds_per_step: done.seconds / done.steps,
    before: done.before ?? {},
    after: done.after ?? {},
    pass: await passAtK(comparison, done.checkpoint),
    reward: steps.flatMap(({ step, reward }) => (reward === undefined ? [] : [at(step, reward)])),
    validation: evaluationsOf(events)
      .filter(({ evaluation }) => evaluation.split === 'validation')
      .map(({ step, evaluation }) => at(step, evaluation.metrics[metric]!.value)),
    run: done.run,
    device: `${engine.name} ${engine.device}`,
    version: packageVersion(),
    finished_at: new Date().toISOString(),
  };
}

/** Seconds of training up to the end of each step. */
function secondsBy(steps: readonly StepEvent[]): Map<number, number> {
  let sum = 0;
  return new Map(
    steps.map((event) => {
      sum += event['time/step'] ?? 0;
      return [event.step, sum];
    }),
  );
}

/** The request for a run of a variant. */
export function requestOf(
  { task, model }: ComparisonPlan,
  { objective, settings }: Variant,
  {
    learning_rate,
    ...runOptions
  }: Pick<TuningRequest, 'seed' | 'steps' | 'testProblems'> & { readonly learning_rate: number },
): TuningRequest {
  return {
    task,
    model,
    objective,
    timeLimit: null,
    data: null,
    // The trial before the first step only says whether tuning is worth its time, and a comparison runs in any case.
    settings: { ...settings, learning_rate, trial_attempts: 0 },
    ...runOptions,
  };
}

/** Starts or resumes a tuning run of a comparison. A run that fails counts as a result. */
async function run(
  { engine, dir, signal, progress }: Comparison,
  work: string,
  request: TuningRequest,
): Promise<TuningResult | { readonly failed: string }> {
  let written = Promise.resolve();
  const hooks: TuningHooks = {
    signal,
    onStart: (started) => {
      written = recordRun(dir, work, started.dir);
    },
    onEvaluation: (step, { split, metrics }) => {
      const [name, interval] = Object.entries(metrics)[0] ?? [];
      progress(`${work}: step ${step}, ${split} ${name} ${interval?.value.toFixed(3)}`);
    },
  };
  const before = await startedRun(dir, work);
  try {
    const result = before
      ? await resumeTuning(engine, before, hooks)
      : await startTuning(engine, runsOf(dir), request, hooks);
    await written;
    return result;
  } catch (error) {
    await written;
    // A run that could not start, or that another process uses, says nothing about the objective.
    const run = error instanceof UserError && !(error instanceof Interrupted) ? await startedRun(dir, work) : null;
    if (run === null || (await readStatus(run)).state !== 'failed') throw error;
    return { failed: messageOf(error) };
  }
}

/** pass@1 to pass@K of the tuned model, from sampled answers to the held-out problems. */
async function passAtK(
  { engine, plan, signal }: Comparison,
  checkpoint: string,
): Promise<Readonly<Record<string, Interval>>> {
  if (plan.samples < 2) return {};
  const task = taskByName(plan.task);
  const model = await LanguageModel.load(engine, await openCheckpoint(await resolveModel(checkpoint)));
  try {
    const format = model.generation.prompt_format;
    const problems = task.heldOut!('test', plan.problems, plan.settings.task_options);
    const { metrics } = await evaluate(model, task, problems, {
      format,
      decoding: { ...defaultDecoding(model, task, format), temperature: sampleTemperature },
      samples: plan.samples,
      seed: 0,
      signal,
    });
    return Object.fromEntries(Object.entries(metrics).filter(([name]) => name.startsWith('pass@')));
  } finally {
    await model.dispose();
  }
}

/**
 * A fair comparison of objectives: the same base, problems, number of rollouts and evaluation for each, its learning rate
 * chosen among the same number of trials, several seeds. What is finished is kept (`store.ts`); the rest is done in the
 * order of seeds, so that every objective has its first seed before any has its second.
 */
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
import { resumeTuning, startTuning, type TuningHooks, type TuningRequest, type TuningResult } from '../tuning-run.ts';
import type { ComparisonPlan, ComparisonRow, CurvePoint, FailedRow, Trial } from './records.ts';
import { keepPlan, noteRun, readRows, readTrial, runsOf, startedRun, writeRow, writeTrial } from './store.ts';

export interface Comparison {
  readonly engine: Engine;
  /** Folder of the comparison. */
  readonly dir: string;
  readonly plan: ComparisonPlan;
  readonly objectives: readonly string[];
  /** Seeds 0 to seeds - 1. */
  readonly seeds: number;
  readonly signal?: AbortSignal | undefined;
  readonly progress: (line: string) => void;
}

/** Seed of the trials: another one than any that is reported. */
const trialSeed = 1_000_000;
/** Temperature of the answers that pass@k is of. */
const sampleTemperature = 0.9;

/** Does what is still missing; every finished row is on the disk before the next begins. */
export async function compare(comparison: Comparison): Promise<(ComparisonRow | FailedRow)[]> {
  const { dir, plan, objectives, seeds, progress } = comparison;
  await keepPlan(dir, plan);
  const rates = new Map<string, { best: number; trials: Trial[] }>();
  for (const objective of objectives) rates.set(objective, await tryRates(comparison, objective));
  for (let seed = 0; seed < seeds; seed++)
    for (const objective of objectives) {
      const known = await readRows(dir);
      if (known.some((row) => row.objective === objective && row.seed === seed)) continue;
      progress(`${objective}, seed ${seed}`);
      const { best, trials } = rates.get(objective) as { best: number; trials: Trial[] };
      await writeRow(dir, await rowOf(comparison, { objective, seed, learning_rate: best, trials }));
    }
  return readRows(dir);
}

/** The learning rate with the best validation score after a short run, and what all of them came to. */
async function tryRates(comparison: Comparison, objective: string): Promise<{ best: number; trials: Trial[] }> {
  const { learning_rates: rates } = comparison.plan;
  if (rates.length === 1) return { best: rates[0]!, trials: [] };
  const trials: Trial[] = [];
  for (const [index, learning_rate] of rates.entries()) {
    const work = `${objective}-trial-${index}`;
    const known = await readTrial(comparison.dir, work);
    const trial = known ?? (await tryRate(comparison, { work, objective, learning_rate }));
    if (known === null) await writeTrial(comparison.dir, work, trial);
    trials.push(trial);
  }
  const ranked = trials.toSorted((a, b) => (b.score ?? -1) - (a.score ?? -1) || a.learning_rate - b.learning_rate);
  return { best: ranked[0]!.learning_rate, trials };
}

async function tryRate(
  comparison: Comparison,
  { work, objective, learning_rate }: { work: string; objective: string; learning_rate: number },
): Promise<Trial> {
  const { plan, progress } = comparison;
  progress(`${objective}, learning rate ${learning_rate}`);
  const settings = { ...plan.settings, learning_rate };
  const request = requestOf(plan, { objective, seed: trialSeed, steps: plan.trial_steps, settings, testProblems: 0 });
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
  work: Pick<ComparisonRow, 'objective' | 'seed' | 'learning_rate' | 'trials'>,
): Promise<ComparisonRow | FailedRow> {
  const { engine, plan } = comparison;
  const { objective, seed, learning_rate } = work;
  const settings = { ...plan.settings, learning_rate };
  const request = requestOf(plan, { objective, seed, steps: plan.steps, settings, testProblems: plan.problems });
  const done = await run(comparison, `${objective}-seed-${seed}`, request);
  if ('failed' in done) return { ...work, failed: done.failed };
  const events = await readEvents(done.dir);
  const steps = stepsOf(events);
  const perStep = settings.prompts_per_step * settings.group_size;
  const clock = secondsBy(steps);
  const at = (step: number, value: number): CurvePoint => ({
    step,
    rollouts: step * perStep,
    seconds: clock.get(step) ?? 0,
    value,
  });
  const metric = taskByName(plan.task).metrics[0];
  return {
    ...work,
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

/** Seconds of training when each step was done. */
function secondsBy(steps: readonly StepEvent[]): Map<number, number> {
  let sum = 0;
  return new Map(
    steps.map((event) => {
      sum += event['time/step'] ?? 0;
      return [event.step, sum];
    }),
  );
}

function requestOf(
  plan: ComparisonPlan,
  own: Pick<TuningRequest, 'objective' | 'seed' | 'steps' | 'settings' | 'testProblems'>,
): TuningRequest {
  return { task: plan.task, model: plan.model, timeLimit: null, data: null, ...own };
}

/** A tuning run of a comparison: started, or gone on with where it was stopped. A run that breaks off is a result. */
async function run(
  { engine, dir, signal, progress }: Comparison,
  work: string,
  request: TuningRequest,
): Promise<TuningResult | { readonly failed: string }> {
  let noted = Promise.resolve();
  const hooks: TuningHooks = {
    signal,
    onStart: (started) => {
      noted = noteRun(dir, work, started.dir);
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
    await noted;
    return result;
  } catch (error) {
    await noted;
    // What could not be started, or is in use elsewhere, is no result of the objective.
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
  const model = await LanguageModel.load(engine, await openCheckpoint(checkpoint));
  try {
    const format = model.generation.prompt_format;
    const problems = task.heldOut!('test', plan.problems, plan.settings.task_options);
    const { metrics } = await evaluate(model, task, problems, {
      format,
      decoding: { ...defaultDecoding(model, task, format), temperature: sampleTemperature },
      samples: plan.samples,
      seed: 0,
      checkCancelled: () => {
        if (signal?.aborted) throw new Interrupted('Stopped while answers were sampled; the same command goes on.');
      },
    });
    return Object.fromEntries(Object.entries(metrics).filter(([name]) => name.startsWith('pass@')));
  } finally {
    await model.dispose();
  }
}

/**
 * The folder of a comparison: `plan.json`; `trials`, one file per tried learning rate; `rows`, one file per finished
 * seed of each objective; `costs.json`; and the tuning runs themselves. Only finished work is read again, so a
 * comparison can grow over days, be stopped at any moment, and continue elsewhere without the runs.
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { UsageError, UserError } from '../../platform/errors.ts';
import { readJson, writeJson, writeOnce } from '../../platform/files.ts';
import { tuningSettings } from '../settings.ts';
import type { ComparisonPlan, ComparisonRow, Costs, FailedRow, RateTrial } from './records.ts';
import { fileNameOf } from './variants.ts';

const pathsOf = (dir: string) => ({
  plan: path.join(dir, 'plan.json'),
  rows: path.join(dir, 'rows'),
  trial: (work: string) => path.join(dir, 'trials', `${work}.json`),
  costs: path.join(dir, 'costs.json'),
  started: path.join(dir, 'started'),
});

/** The folder of a comparison's runs. */
export const runsOf = (dir: string): string => path.join(dir, 'runs');

/** Writes the plan. Throws a `UsageError` if the folder contains a different one. */
export async function recordPlan(dir: string, plan: ComparisonPlan): Promise<void> {
  // Several shards may do this at once.
  if (!(await writeOnce(pathsOf(dir).plan, `${JSON.stringify(plan, null, 2)}\n`))) await assertPlan(dir, plan);
}

/** Throws a `UsageError` if the folder contains a comparison with a different plan. */
export async function assertPlan(dir: string, plan: ComparisonPlan): Promise<void> {
  const file = pathsOf(dir).plan;
  if (!existsSync(file)) return;
  const known = await readPlan(file);
  const planned = JSON.parse(JSON.stringify(plan)) as Readonly<Record<string, unknown>>;
  const differing = Object.keys(planned).find((name) => JSON.stringify(known[name]) !== JSON.stringify(planned[name]));
  if (differing !== undefined)
    throw new UsageError(
      `${dir} contains a comparison with another ${differing}; use the same options, or choose another folder with --out.`,
    );
}

/** Reads a plan. Settings that did not exist when it was written get their defaults, which change nothing. */
async function readPlan(file: string): Promise<Readonly<Record<string, unknown>>> {
  const plan = (await readJson(file)) as Readonly<Record<string, unknown>>;
  const settings = tuningSettings.safeParse(plan.settings);
  return settings.success ? { ...plan, settings: JSON.parse(JSON.stringify(settings.data)) } : plan;
}

const trialSchema = z.object({ learning_rate: z.number(), score: z.number().nullable() });
const rowSchema = z.looseObject({ objective: z.string(), seed: z.int(), learning_rate: z.number() });

/** Every finished row, failed ones too, by objective and seed. */
export async function readRows(dir: string): Promise<(ComparisonRow | FailedRow)[]> {
  const folder = pathsOf(dir).rows;
  if (!existsSync(folder)) return [];
  const rows: (ComparisonRow | FailedRow)[] = [];
  for (const name of (await readdir(folder)).filter((name) => name.endsWith('.json'))) {
    const value = await readJson(path.join(folder, name));
    if (!rowSchema.safeParse(value).success)
      throw new UserError(
        `${path.join(folder, name)} is not a row of a comparison; remove it to have it computed again.`,
      );
    rows.push(value as ComparisonRow | FailedRow);
  }
  return inFileOrder(rows);
}

export async function writeRow(dir: string, row: ComparisonRow | FailedRow): Promise<void> {
  await writeJson(path.join(pathsOf(dir).rows, rowFileName(row)), row);
}

const rowFileName = ({ objective, seed }: Pick<ComparisonRow, 'objective' | 'seed'>): string =>
  `${fileNameOf(objective)}-seed-${seed}.json`;

/** Rows by seed, and those of one seed by file name. */
export const inFileOrder = <Row extends ComparisonRow | FailedRow>(rows: readonly Row[]): Row[] =>
  rows.toSorted((a, b) => a.seed - b.seed || (rowFileName(a) < rowFileName(b) ? -1 : 1));

/** The result of a learning-rate trial; null: not finished. */
export async function readTrial(dir: string, work: string): Promise<RateTrial | null> {
  const file = pathsOf(dir).trial(work);
  if (!existsSync(file)) return null;
  const trial = trialSchema.safeParse(await readJson(file));
  if (!trial.success)
    throw new UserError(`${file} is not a trial of a comparison; remove it to have it computed again.`);
  return trial.data;
}

export async function writeTrial(dir: string, work: string, trial: RateTrial): Promise<void> {
  await writeJson(pathsOf(dir).trial(work), trial);
}

const costsSchema = z.looseObject({ steps: z.int(), seconds_per_step: z.record(z.string(), z.number()) });

/** The time of steps; null: not measured. */
export async function readCosts(dir: string): Promise<Costs | null> {
  const file = pathsOf(dir).costs;
  if (!existsSync(file)) return null;
  const value = await readJson(file);
  if (!costsSchema.safeParse(value).success)
    throw new UserError(`${file} is not a valid file of costs; remove it and measure again.`);
  return value as Costs;
}

export async function writeCosts(dir: string, costs: Costs): Promise<void> {
  await writeJson(pathsOf(dir).costs, costs);
}

/** The run directory of a unit of work, so that a stopped comparison resumes it; null: not started. */
export async function startedRun(dir: string, work: string): Promise<string | null> {
  const file = path.join(pathsOf(dir).started, `${work}.json`);
  if (!existsSync(file)) return null;
  const { run } = z.object({ run: z.string() }).parse(await readJson(file));
  const folder = path.join(runsOf(dir), run);
  return existsSync(folder) ? folder : null;
}

/** Records the run directory by its name, because the comparison's folder may be moved. */
export async function recordRun(dir: string, work: string, run: string): Promise<void> {
  await writeJson(path.join(pathsOf(dir).started, `${work}.json`), { run: path.basename(run) });
}

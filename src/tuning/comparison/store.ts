/**
 * The folder of a comparison: `plan.json`; `trials`, one file for each learning rate that was tried; `rows`, one for each
 * finished seed of each objective; `costs.json`; and the tuning runs themselves. Nothing but finished work is read again, so that it may
 * grow over days, be stopped at any moment, and go on elsewhere without the runs.
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { UsageError, UserError } from '../../platform/errors.ts';
import { readJson, writeJson } from '../../platform/files.ts';
import { tuningSettings } from '../settings.ts';
import type { ComparisonPlan, ComparisonRow, Costs, FailedRow, Trial } from './records.ts';
import { fileNameOf } from './variants.ts';

const place = (dir: string) => ({
  plan: path.join(dir, 'plan.json'),
  rows: path.join(dir, 'rows'),
  trial: (work: string) => path.join(dir, 'trials', `${work}.json`),
  costs: path.join(dir, 'costs.json'),
  started: path.join(dir, 'started'),
});

/** Runs of a comparison lie here. */
export const runsOf = (dir: string): string => path.join(dir, 'runs');

/** Writes the plan, or throws a `UsageError` where the folder holds another one. */
export async function keepPlan(dir: string, plan: ComparisonPlan): Promise<void> {
  const file = place(dir).plan;
  if (!existsSync(file)) return writeJson(file, plan);
  const known = await readPlan(file);
  const given = JSON.parse(JSON.stringify(plan)) as Readonly<Record<string, unknown>>;
  const differing = Object.keys(given).find((name) => JSON.stringify(known[name]) !== JSON.stringify(given[name]));
  if (differing !== undefined)
    throw new UsageError(
      `${dir} holds a comparison with another ${differing}; go on with the same options, or choose another folder with --out.`,
    );
}

/** A plan as it was kept; settings that there were not yet have their defaults, which change nothing. */
async function readPlan(file: string): Promise<Readonly<Record<string, unknown>>> {
  const plan = (await readJson(file)) as Readonly<Record<string, unknown>>;
  const settings = tuningSettings.safeParse(plan.settings);
  return settings.success ? { ...plan, settings: JSON.parse(JSON.stringify(settings.data)) } : plan;
}

const trialSchema = z.object({ learning_rate: z.number(), score: z.number().nullable() });
const rowSchema = z.looseObject({ objective: z.string(), seed: z.int(), learning_rate: z.number() });

/** Every finished row, failed ones too, by objective and seed. */
export async function readRows(dir: string): Promise<(ComparisonRow | FailedRow)[]> {
  const folder = place(dir).rows;
  if (!existsSync(folder)) return [];
  const rows: (ComparisonRow | FailedRow)[] = [];
  for (const name of (await readdir(folder)).filter((name) => name.endsWith('.json')).sort()) {
    const value = await readJson(path.join(folder, name));
    if (!rowSchema.safeParse(value).success)
      throw new UserError(`${path.join(folder, name)} is not a row of a comparison; remove it, and it is made again.`);
    rows.push(value as ComparisonRow | FailedRow);
  }
  return rows.sort((a, b) => a.seed - b.seed);
}

export async function writeRow(dir: string, row: ComparisonRow | FailedRow): Promise<void> {
  await writeJson(path.join(place(dir).rows, `${fileNameOf(row.objective)}-seed-${row.seed}.json`), row);
}

/** What came of a trial of a learning rate; null: it is not finished. */
export async function readTrial(dir: string, work: string): Promise<Trial | null> {
  const file = place(dir).trial(work);
  if (!existsSync(file)) return null;
  const trial = trialSchema.safeParse(await readJson(file));
  if (!trial.success) throw new UserError(`${file} is not a trial of a comparison; remove it, and it is made again.`);
  return trial.data;
}

export async function writeTrial(dir: string, work: string, trial: Trial): Promise<void> {
  await writeJson(place(dir).trial(work), trial);
}

const costsSchema = z.looseObject({ steps: z.int(), seconds_per_step: z.record(z.string(), z.number()) });

/** What steps cost; null: it was not measured. */
export async function readCosts(dir: string): Promise<Costs | null> {
  const file = place(dir).costs;
  if (!existsSync(file)) return null;
  const value = await readJson(file);
  if (!costsSchema.safeParse(value).success)
    throw new UserError(`${file} does not tell what steps cost; remove it, and measure them anew.`);
  return value as Costs;
}

export async function writeCosts(dir: string, costs: Costs): Promise<void> {
  await writeJson(place(dir).costs, costs);
}

/** The run directory that was started for a piece of work, so that a stopped comparison resumes it; null: none was. */
export async function startedRun(dir: string, work: string): Promise<string | null> {
  const file = path.join(place(dir).started, `${work}.json`);
  if (!existsSync(file)) return null;
  const { run } = z.object({ run: z.string() }).parse(await readJson(file));
  const folder = path.join(runsOf(dir), run);
  return existsSync(folder) ? folder : null;
}

/** Notes it, by its name in the comparison's folder: that may be moved. */
export async function noteRun(dir: string, work: string, run: string): Promise<void> {
  await writeJson(path.join(place(dir).started, `${work}.json`), { run: path.basename(run) });
}

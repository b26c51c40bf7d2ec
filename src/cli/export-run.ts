import path from 'node:path';
import { type CsvValue, csv } from '../evaluation/csv.ts';
import { UserError } from '../platform/errors.ts';
import { writeAtomic, writeAtomicParts } from '../platform/files.ts';
import type { EvaluationEvent, StepEvent } from '../protocol/events.ts';
import { readConfiguration } from '../runs/directory.ts';
import { evaluationsOf, readEvents, readSamples, sampleSteps, stepsOf } from '../runs/reader.ts';
import { tensorboardFile, tensorboardRecords } from '../runs/tensorboard-log.ts';

export const trackers = ['tensorboard', 'csv'] as const;
export type Tracker = (typeof trackers)[number];

/**
 * Writes the log of a run for another program, into a folder with the run's name inside `out`, so that several runs can be exported
 * to the same place. Files of an earlier export of the run are replaced. Returns the files.
 */
export async function exportRun(dir: string, to: Tracker, out: string): Promise<string[]> {
  if ((await readEvents(dir)).length === 0)
    throw new UserError(`The run ${dir} has no steps and evaluations yet, so there is nothing to export.`);
  const folder = path.join(path.resolve(out), path.basename(path.resolve(dir)));
  return to === 'tensorboard' ? exportTensorboard(dir, folder) : exportTables(dir, folder);
}

async function exportTensorboard(dir: string, folder: string): Promise<string[]> {
  const { createdAt } = await readConfiguration(dir);
  const file = path.join(folder, tensorboardFile(Date.parse(createdAt) / 1000));
  await writeAtomicParts(file, tensorboardRecords(dir));
  return [file];
}

async function exportTables(dir: string, folder: string): Promise<string[]> {
  const events = await readEvents(dir);
  const tables: [string, string][] = [
    ['steps.csv', stepTable(stepsOf(events))],
    ['evaluations.csv', evaluationTable(evaluationsOf(events))],
  ];
  const files: string[] = [];
  for (const [name, text] of tables) {
    const file = path.join(folder, name);
    await writeAtomic(file, text);
    files.push(file);
  }
  const samples = path.join(folder, 'samples.csv');
  await writeAtomicParts(samples, sampleTable(dir));
  return [...files, samples];
}

/** A row for each step, and a column for each metric that any step has. */
function stepTable(steps: readonly StepEvent[]): string {
  const names = [...new Set(steps.flatMap((step) => Object.keys(step)))];
  return csv(
    names,
    steps.map((step) => names.map((name) => step[name] ?? null)),
  );
}

/** A row for each metric and measure of each evaluation. */
function evaluationTable(evaluations: readonly EvaluationEvent[]): string {
  const rows = evaluations.flatMap(({ step, time, evaluation: { task, split, n, metrics, measures = {} } }) => {
    const row = (name: string, ...values: CsvValue[]): CsvValue[] => [step, time, task, split, n, name, ...values];
    return [
      ...Object.entries(metrics).map(([name, { value, low, high }]) => row(name, value, low, high)),
      ...Object.entries(measures).map(([name, value]) => row(name, value, null, null)),
    ];
  });
  return csv(['step', 'time', 'task', 'split', 'n', 'metric', 'value', 'low', 'high'], rows);
}

/** A row for each completion, without its tokens; one step in memory at a time. */
async function* sampleTable(dir: string): AsyncGenerator<Buffer> {
  const names = ['step', 'prompt', 'completion', 'reward', 'rewards', 'advantage', 'policy_version', 'seed'];
  yield Buffer.from(csv(names, []));
  for (const step of await sampleSteps(dir)) {
    const samples = await readSamples(dir, step);
    const rows = samples.map(({ prompt, completion, rewards, advantage, policyVersion, seed }): CsvValue[] => [
      ...[step, prompt, completion, rewards.total ?? null],
      ...[JSON.stringify(rewards), advantage, policyVersion, seed],
    ]);
    const table = csv(names, rows);
    yield Buffer.from(table.slice(table.indexOf('\n') + 1));
  }
}

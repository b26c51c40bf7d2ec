/**
 * Measures the time of a step: a few steps of every objective in turn, repeated, on an otherwise idle machine. The
 * times of the rows are not comparable, because they come from hours with other work on the machine.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import { median } from '../../evaluation/statistics.ts';
import { packageVersion } from '../../platform/package-root.ts';
import { readEvents, stepsOf } from '../../runs/reader.ts';
import { startTuning } from '../tuning-run.ts';
import { type Comparison, requestOf } from './compare.ts';
import type { Costs } from './records.ts';
import { writeCosts } from './store.ts';

const rounds = 3;
/** In the first step, programs are compiled. */
const firstSteps = 1;

/** Measures `steps` steps of each objective three times, and stores the medians as the comparison's costs. */
export async function measureCosts(comparison: Comparison, steps: number): Promise<Costs> {
  const { engine, dir, plan, variants, signal, progress } = comparison;
  const seconds = new Map<string, number[]>(variants.map(({ label }) => [label, []]));
  const folder = await mkdtemp(path.join(dir, 'costs-'));
  try {
    for (let round = 0; round < rounds; round++)
      for (const variant of variants) {
        progress(`${variant.label}, cost of a step, round ${round + 1} of ${rounds}`);
        const runOptions = { seed: round, steps: firstSteps + steps, testProblems: 0 };
        const request = requestOf(plan, variant, { ...runOptions, learning_rate: plan.settings.learning_rate });
        const settings = { ...request.settings, evaluate_every: 0, evaluation_problems: 1, checkpoint_every: 0 };
        const run = await startTuning(engine, folder, { ...request, settings }, { signal });
        const events = stepsOf(await readEvents(run.dir)).slice(firstSteps);
        seconds.get(variant.label)!.push(...events.map((event) => event['time/step'] ?? 0));
        await rm(run.dir, { recursive: true });
      }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const costs: Costs = {
    machine: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} threads`,
    device: `${engine.name} ${engine.device}`,
    version: packageVersion(),
    measured_at: new Date().toISOString(),
    steps: steps * rounds,
    seconds_per_step: Object.fromEntries([...seconds].map(([label, times]) => [label, median(times)])),
  };
  await writeCosts(dir, costs);
  return costs;
}

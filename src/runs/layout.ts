import { readdir } from 'node:fs/promises';
import path from 'node:path';

/** The path of each file in a run directory. */
export const runFile = (dir: string) => ({
  configuration: path.join(dir, 'run.json'),
  events: path.join(dir, 'events.jsonl'),
  samples: path.join(dir, 'samples'),
  answers: path.join(dir, 'answers.jsonl'),
  checkpoints: path.join(dir, 'checkpoints'),
  log: path.join(dir, 'log.txt'),
  result: path.join(dir, 'result.json'),
  lock: path.join(dir, 'lock.json'),
  status: path.join(dir, 'status.json'),
  heartbeat: path.join(dir, 'heartbeat.json'),
  control: path.join(dir, 'control.json'),
  labels: path.join(dir, 'labels.json'),
  tensorboard: path.join(dir, 'tensorboard'),
  workers: path.join(dir, 'workers.json'),
  workerResults: path.join(dir, 'worker-results'),
});

/** `step-000120`, so that names sort as steps do up to a million. */
export const stepName = (step: number): string => `step-${String(step).padStart(6, '0')}`;

/** The step in `step-000120` or `step-000120.jsonl`; null for any other name. */
export function stepOf(name: string): number | null {
  const match = /^step-(\d{6,})(\.jsonl)?$/.exec(name);
  return match ? Number(match[1]) : null;
}

/** Names in a folder; none if it does not exist. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The steps that have an entry `step-NNNNNN` (or `step-NNNNNN.jsonl`) in a folder, ascending. */
export async function stepsIn(folder: string): Promise<number[]> {
  const steps = (await namesIn(folder)).map(stepOf);
  return steps.filter((step) => step !== null).sort((a, b) => a - b);
}

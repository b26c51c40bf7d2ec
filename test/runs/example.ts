import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { NewRun } from '../../src/runs/directory.ts';

export const newRun: NewRun = {
  kind: 'tune',
  task: 'sudoku4x4',
  model: 'unmask-tiny',
  objective: 'spg-mixture',
  seed: 7,
  steps: 100,
  settings: { learning_rate: 3e-4, groups: 32, schedule: { warmup: 5 }, tags: ['a', null] },
  device: { engine: 'onnx', device: 'cpu' },
  versions: { unmask: '0.1.0', node: '20.19.0' },
};

/** A reward that depends only on the step, so that a log can be checked against it. */
export const reward = (step: number): number => Math.round(1000 * Math.sin(step)) / 1000;

/** A folder that exists until this process ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-runs-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

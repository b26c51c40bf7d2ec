import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { completesCode } from '../diffusion/infill.ts';
import { sizeOf } from '../graph/tensor.ts';
import { readConfig } from '../model/architectures/read-config.ts';
import { weightFiles } from '../model/stored-weights.ts';
import { weightShapes } from '../model/transformer.ts';
import { dataHome } from '../platform/files.ts';
import { packageRoot } from '../platform/package-root.ts';
import type { ModelSummary } from '../protocol/runtime.ts';
import { latestCheckpoint } from '../runs/checkpoints.ts';

/** The models that can be chosen: bundled ones, those of the data home, and the last checkpoint of each of its runs. */
export async function listModels(): Promise<ModelSummary[]> {
  const [bundled, installed, runs] = [
    path.join(packageRoot(), 'models'),
    path.join(dataHome(), 'models'),
    path.join(dataHome(), 'runs'),
  ];
  const found: ModelSummary[] = [];
  for (const [root, kind] of [
    [bundled, 'bundled'],
    [installed, 'installed'],
  ] as const)
    for (const name of await folders(root)) found.push(...(await summary(name, kind, path.join(root, name))));
  for (const name of await folders(runs)) {
    const run = path.join(runs, name);
    const checkpoint = await latestCheckpoint(run).catch(() => null);
    if (checkpoint) found.push(...(await summary(run, 'run', checkpoint.dir)));
  }
  return found;
}

async function folders(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

/** Nothing where the folder holds no model that we can read: a list is no place for errors. */
async function summary(name: string, kind: ModelSummary['kind'], folder: string): Promise<ModelSummary[]> {
  try {
    const { config } = await readConfig(folder);
    const parameters = [...weightShapes(config).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
    const files = await Promise.all((await weightFiles(folder)).map((file) => stat(file)));
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    const card = await readFile(path.join(folder, 'README.md'), 'utf8').catch(() => '');
    return [{ name, kind, folder, parameters, bytes, completes: completesCode(config), description: headingOf(card) }];
  } catch {
    return [];
  }
}

const headingOf = (card: string): string => /^# (.+)$/m.exec(card)?.[1] ?? '';

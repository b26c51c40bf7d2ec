import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { completesCode } from '../diffusion/infill.ts';
import { inFolder } from '../model/architectures/description.ts';
import { baseFolder } from '../model/checkpoint.ts';
import { modelsIn } from '../model/find-model.ts';
import { memoryNeeded, parametersOf } from '../model/memory.ts';
import { dataHome } from '../platform/files.ts';
import { machineMemory } from '../platform/machine-memory.ts';
import { packageRoot } from '../platform/package-root.ts';
import type { ModelSummary } from '../protocol/runtime.ts';
import { latestCheckpoint } from '../runs/checkpoints.ts';
import { namesIn } from '../runs/layout.ts';
import { readCard } from './card.ts';
import { loadable } from './loadable.ts';
import { readOrigin } from './origin.ts';
import { modelsFolder } from './staging.ts';

/** The models that can be chosen: bundled ones, those of the data home, and the last checkpoint of each of its runs. */
export async function listModels(): Promise<ModelSummary[]> {
  const runs = path.join(dataHome(), 'runs');
  const found: ModelSummary[] = [];
  for (const [root, kind] of [
    [path.join(packageRoot(), 'models'), 'bundled'],
    [modelsFolder(), 'installed'],
  ] as const)
    for (const name of await modelsIn(root)) found.push(...(await summary(name, kind, path.join(root, name))));
  for (const name of (await namesIn(runs)).sort()) {
    const run = path.join(runs, name);
    const checkpoint = await latestCheckpoint(run).catch(() => null);
    if (checkpoint) found.push(...(await summary(run, 'run', checkpoint.dir)));
  }
  return found;
}

/** One model of the list, as it stands after it was added. */
export async function installedModel(name: string, folder: string): Promise<ModelSummary | undefined> {
  return (await summary(name, 'installed', folder))[0];
}

/** Nothing where the folder holds no model: a list is no place for errors. One that cannot be loaded is listed with why. */
async function summary(name: string, kind: ModelSummary['kind'], folder: string): Promise<ModelSummary[]> {
  try {
    const base = await baseFolder(folder);
    const { config, problem } = await loadable(inFolder(base));
    const parameters = config ? parametersOf(config) : null;
    const { title, licence } = await readCard(folder);
    const origin = await readOrigin(folder);
    return [
      {
        ...{ name, kind, folder, parameters },
        bytes: await weightBytes(folder),
        completes: config !== null && completesCode(config),
        description: title,
        licence,
        revision: origin?.source === 'hub' ? origin.commit : null,
        memory: {
          needed: parameters === null ? null : memoryNeeded(parameters, config),
          available: machineMemory().total,
        },
        problem,
      },
    ];
  } catch {
    return [];
  }
}

/** Bytes of a model's weights, in one file or several; throws where it has none. */
async function weightBytes(folder: string): Promise<number> {
  const names = (await readdir(folder)).filter(
    (name) => name.endsWith('.safetensors') && name !== 'optimizer.safetensors',
  );
  if (names.length === 0) throw new Error(`${folder} has no weights`);
  const sizes = await Promise.all(names.map(async (name) => (await stat(path.join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

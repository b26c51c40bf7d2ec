import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { completesCode } from '../diffusion/infill.ts';
import { isAdapter, readAdapterConfig } from '../model/adapter-folder.ts';
import { memoryNeeded, parametersOf } from '../model/memory.ts';
import { dataHome } from '../platform/files.ts';
import { machineMemory } from '../platform/machine-memory.ts';
import type { ModelSummary } from '../protocol/runtime.ts';
import { latestCheckpoint } from '../runs/checkpoints.ts';
import { namesIn } from '../runs/layout.ts';
import { readCard } from './card.ts';
import { bundledFolder, findModel, modelsFolder, modelsIn } from './find-model.ts';
import { loadableIf } from './loadable.ts';
import { readOrigin } from './origin.ts';
import { publishedBases } from './published-bases.ts';
import { resolveModel } from './resolve-model.ts';
import { readSuggestionTime } from './suggestion-times.ts';

/** The models that a user can choose: bundled ones, installed ones, and the last checkpoint of each run. */
export async function listModels(): Promise<ModelSummary[]> {
  const runs = path.join(dataHome(), 'runs');
  const found: (ModelSummary | null)[] = [];
  for (const [root, kind] of [
    [bundledFolder(), 'bundled'],
    [modelsFolder(), 'installed'],
  ] as const)
    for (const name of await modelsIn(root)) found.push(await summary(name, kind, path.join(root, name)));
  for (const name of (await namesIn(runs)).sort()) {
    const run = path.join(runs, name);
    const checkpoint = await latestCheckpoint(run).catch(() => null);
    if (checkpoint) found.push(await summary(run, 'run', checkpoint.dir));
  }
  return found.filter((model) => model !== null);
}

/** The list entry of a model that was just added; null if its folder is gone. */
export const installedModel = (name: string, folder: string): Promise<ModelSummary | null> =>
  summary(name, 'installed', folder);

/** Null if the folder holds no weights. A model that cannot be loaded is listed with the reason. */
async function summary(name: string, kind: ModelSummary['kind'], folder: string): Promise<ModelSummary | null> {
  try {
    const { config, problem } = await loadableIf(async () => (await resolveModel(folder)).config);
    const parameters = config ? parametersOf(config) : null;
    const { title, licence } = await readCard(folder);
    const origin = await readOrigin(folder);
    const milliseconds = await readSuggestionTime(folder);
    return {
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
      ...(milliseconds === null ? {} : { suggestion_milliseconds: milliseconds }),
      ...(problem === null ? {} : await missingBaseOf(folder)),
    };
  } catch {
    return null;
  }
}

/** The published base of an adapter, if it is not installed. */
async function missingBaseOf(folder: string): Promise<Pick<ModelSummary, 'missing_base'>> {
  if (!(await isAdapter(folder))) return {};
  const { base } = await readAdapterConfig(folder);
  const published = publishedBases.find(({ name }) => name === base.name);
  const isInstalled = await findModel(base.name).then(
    () => true,
    () => false,
  );
  if (!published || isInstalled) return {};
  const { name, bytes, licence } = published;
  return { missing_base: { name, bytes, licence } };
}

/** Bytes of a model's weights, in one file or several; throws if there are none. */
async function weightBytes(folder: string): Promise<number> {
  const names = (await readdir(folder)).filter(
    (name) => name.endsWith('.safetensors') && name !== 'optimizer.safetensors',
  );
  if (names.length === 0) throw new Error(`${folder} has no weights`);
  const sizes = await Promise.all(names.map(async (name) => (await stat(path.join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

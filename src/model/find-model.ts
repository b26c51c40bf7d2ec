import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../platform/errors.ts';
import { dataHome, exists } from '../platform/files.ts';
import { isPath } from '../platform/model-name.ts';
import { packageRoot } from '../platform/package-root.ts';
import { latestCheckpoint } from '../runs/checkpoints.ts';
import { runFile } from '../runs/layout.ts';
import { isAdapter } from './adapter-folder.ts';

/** The bundled base that puzzles are tuned from. */
export const bundledPuzzleModel = 'unmask-puzzles';

/** The bundled base that completes code. */
export const bundledCodeModel = 'unmask-code';

/**
 * The checkpoint folder that a user means: a bundled model's name, an id in the data home's `models/`, a checkpoint or
 * adapter folder, or a run directory (its last checkpoint). What reads as a path is never a name. Throws a `UserError` that
 * names what there is.
 */
export async function findModel(name: string): Promise<string> {
  if (name.trim() === '') throw new UserError('A model has no empty name; give its name, or its folder.');
  const bundled = path.join(packageRoot(), 'models');
  const installed = path.join(dataHome(), 'models');
  const named = isPath(name) ? [] : [path.join(bundled, name), path.join(installed, name)];
  for (const folder of [...named, path.resolve(name)]) {
    if (await isModel(folder)) return folder;
    if (await exists(runFile(folder).configuration)) {
      const checkpoint = await latestCheckpoint(folder);
      if (checkpoint) return checkpoint.dir;
      throw new UserError(`The run ${folder} has no checkpoint yet; let it make some steps first.`);
    }
  }
  if (await exists(path.resolve(name)))
    throw new UserError(
      `${path.resolve(name)} holds no config.json, so it is not a model; give a checkpoint folder, an adapter folder or a run directory.`,
    );
  const known = [...(await modelsIn(bundled)), ...(await modelsIn(installed))];
  throw new UserError(
    `There is no model ${name}; known are ${known.join(', ') || 'none'}, or give the path of a checkpoint folder or a run directory.`,
  );
}

/** Names of the models in a folder: its folders, and as `owner/name` the folders of those that are no model themselves. */
export async function modelsIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await foldersIn(folder))
    if (await isModel(path.join(folder, name))) found.push(name);
    else
      for (const inner of await foldersIn(path.join(folder, name)))
        if (await isModel(path.join(folder, name, inner))) found.push(`${name}/${inner}`);
  return found;
}

/** Whether a folder holds a checkpoint or an adapter. */
export const isModel = async (folder: string): Promise<boolean> =>
  (await exists(path.join(folder, 'config.json'))) || (await isAdapter(folder));

/** What `findModel` finds a folder by: the name of a bundled or installed model, else its path. */
export function modelName(folder: string): string {
  for (const root of [path.join(packageRoot(), 'models'), path.join(dataHome(), 'models')]) {
    const name = path.relative(root, folder);
    if (!name.startsWith('..') && !path.isAbsolute(name)) return name.split(path.sep).join('/');
  }
  return folder;
}

/** Folders, and links to them; not what is on its way in or out, whose name begins with a dot. */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort();
}

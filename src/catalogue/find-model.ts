import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { isAdapter } from '../model/adapter-folder.ts';
import { UserError } from '../platform/errors.ts';
import { dataHome, exists } from '../platform/files.ts';
import { isPath } from '../platform/model-name.ts';
import { packageRoot } from '../platform/package-root.ts';
import { bundledModels } from '../protocol/bundled-models.ts';
import { latestCheckpoint } from '../runs/checkpoints.ts';
import { runFile } from '../runs/layout.ts';

/** The bundled base model for puzzles. */
export const bundledPuzzleModel = bundledModels.puzzles;

/** The bundled base model for code completion. */
export const bundledCodeModel = bundledModels.code;

/** The folder of the models that come with Unmask. */
export const bundledFolder = (): string => path.join(packageRoot(), 'models');

/** The folder of the installed models. */
export const modelsFolder = (): string => path.join(dataHome(), 'models');

/**
 * The checkpoint or adapter folder of a model. `name` is a bundled model's name, an id in the data home's `models/`, a
 * checkpoint or adapter folder, or a run directory (its last checkpoint). A path such as `./NAME` is never read as a name.
 *
 * @throws UserError if there is no such model; the message lists the known names
 */
export async function findModel(name: string): Promise<string> {
  if (name.trim() === '') throw new UserError('A model cannot have an empty name; give a name or a folder.');
  const named = isPath(name) ? [] : [path.join(bundledFolder(), name), path.join(modelsFolder(), name)];
  for (const folder of [...named, path.resolve(name)]) {
    if (await isModel(folder)) return folder;
    if (await exists(runFile(folder).configuration)) {
      const checkpoint = await latestCheckpoint(folder);
      if (checkpoint) return checkpoint.dir;
      throw new UserError(`The run ${folder} has no checkpoint yet; wait until it has made some steps.`);
    }
  }
  if (await exists(path.resolve(name)))
    throw new UserError(
      `${path.resolve(name)} holds no config.json, so it is not a model; give a checkpoint folder, an adapter folder or a run directory.`,
    );
  const known = [...(await modelsIn(bundledFolder())), ...(await modelsIn(modelsFolder()))];
  throw new UserError(
    `There is no model ${name}; choose one of ${known.join(', ') || '(none are installed)'}, or give the path of a checkpoint folder or a run directory.`,
  );
}

/** Names of the models in a folder: its own subfolders, and `owner/name` for those one level deeper. */
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

/** The name by which `findModel` finds a folder: that of a bundled or installed model, otherwise the path. */
export function modelName(folder: string): string {
  for (const root of [bundledFolder(), modelsFolder()]) {
    const name = path.relative(root, folder);
    if (!name.startsWith('..') && !path.isAbsolute(name)) return name.split(path.sep).join('/');
  }
  return folder;
}

/** Folders and links to folders. Names that begin with a dot are models being added or removed, and are skipped. */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort();
}

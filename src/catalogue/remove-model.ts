import path from 'node:path';
import { UserError } from '../platform/errors.ts';
import { dataHome, exists } from '../platform/files.ts';
import { readConfiguration } from '../runs/directory.ts';
import { namesIn, runFile } from '../runs/layout.ts';
import { lockHolder } from '../runs/lock.ts';
import { bundledFolder, findModel, modelsFolder, modelsIn } from './find-model.ts';
import { removeFolder } from './staging.ts';

/** The folder of an installed model. Throws a `UserError` for every other name, because only installed models are removed. */
export async function removable(name: string): Promise<string> {
  // Names from the list cannot point outside the folder of models.
  if ((await modelsIn(modelsFolder())).includes(name)) return path.join(modelsFolder(), name);
  if ((await modelsIn(bundledFolder())).includes(name))
    throw new UserError(`The model ${name} comes with Unmask; only installed models can be removed.`);
  for (const run of [path.join(dataHome(), 'runs', name), path.resolve(name)])
    if (name !== '' && (await exists(runFile(run).configuration)))
      throw new UserError(
        `${run} is a run, not an installed model; remove it with \`unmask runs delete ${path.basename(run)}\`.`,
      );
  throw new UserError(`There is no installed model ${name}; \`unmask models list\` lists them.`);
}

/** Removes an installed model. Throws a `UserError` if there is no such model or a job uses it. */
export async function removeModel(name: string): Promise<void> {
  const folder = await removable(name);
  const user = await jobWith(folder);
  if (user !== null)
    throw new UserError(`The model ${name} is in use by ${user}; stop that job first, or wait until it ends.`);
  await removeFolder(folder);
}

/** The directory of an active run or evaluation that uses a model; null if there is none. */
async function jobWith(folder: string): Promise<string | null> {
  for (const kind of ['runs', 'evaluations']) {
    const root = path.join(dataHome(), kind);
    for (const name of await namesIn(root)) {
      const dir = path.join(root, name);
      if ((await lockHolder(dir).catch(() => null)) === null) continue;
      const model = (await readConfiguration(dir).catch(() => null))?.model ?? null;
      if (model !== null && (await findModel(model).catch(() => null)) === folder) return dir;
    }
  }
  return null;
}

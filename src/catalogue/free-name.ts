import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { UsageError, UserError } from '../platform/errors.ts';
import { exists } from '../platform/files.ts';
import { isInstalledName } from '../platform/model-name.ts';
import { packageRoot } from '../platform/package-root.ts';
import { modelsFolder } from './find-model.ts';
import { assertOwnFolder } from './staging.ts';

/** Throws if a model that is added from this machine cannot have this name, because it is invalid or taken. */
export async function assertFreeName(name: string): Promise<void> {
  if (!isInstalledName(name))
    throw new UsageError(
      `${JSON.stringify(name)} cannot name a model; use letters, digits, ".", "_" and "-" (--name).`,
    );
  await assertOwnFolder(name);
  if ((await readdir(path.join(modelsFolder(), name)).catch(() => [])).length > 0)
    throw new UserError(`There is a model ${name} already; choose another name (--name), or remove that one first.`);
  // `findModel` would return the bundled model of this name instead of the added one.
  if (await exists(path.join(packageRoot(), 'models', name)))
    throw new UserError(`A model ${name} comes with Unmask; choose another name (--name).`);
}

import { constants } from 'node:fs';
import { copyFile, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { inFolder } from '../model/architectures/description.ts';
import { Interrupted, UserError } from '../platform/errors.ts';
import { readJson } from '../platform/files.ts';
import { assertFits, type FreeSpace, whenFull } from './disk-space.ts';
import { assertFreeName } from './free-name.ts';
import { assertLoadable, loadable } from './loadable.ts';
import { modelFiles } from './model-files.ts';
import { Staging } from './staging.ts';

export interface AddFolder {
  /** A checkpoint folder. */
  readonly folder: string;
  /** The name of the installed model. */
  readonly name: string;
  readonly force: boolean;
  readonly signal: AbortSignal;
  /** Called with the complete folder before the model appears; throws if the model is not to be added. */
  readonly accept?: (folder: string) => Promise<void>;
  readonly freeSpace?: FreeSpace;
}

/**
 * Copies a checkpoint folder into the installed models and returns the new folder. The copy does not change if the original
 * folder changes or is removed. It takes no space if the file system can share blocks (Btrfs, XFS, APFS). A model can also be
 * used without adding it: every `--model` accepts the path of its folder.
 */
export async function addFolder({ folder, name, force, signal, accept, freeSpace }: AddFolder): Promise<string> {
  if (!(await stat(folder).catch(() => null))?.isDirectory())
    throw new UserError(`${folder} is not a folder; give a checkpoint folder, or OWNER/NAME of a model on the hub.`);
  await assertFreeName(name);
  const files = await modelFiles(await listed(folder), folder, ({ name: file }) => readJson(path.join(folder, file)));
  assertLoadable(await loadable(inFolder(folder)), force);
  const staging = await Staging.open(name);
  try {
    await staging.keep([]);
    await assertFits(
      staging.files,
      files.reduce((sum, { size }) => sum + size, 0),
      freeSpace,
    );
    for (const { name: file } of files) {
      if (signal.aborted) throw new Interrupted(`Adding ${folder} was stopped; nothing was added.`);
      await copyFile(path.join(folder, file), path.join(staging.files, file), constants.COPYFILE_FICLONE);
    }
    await accept?.(staging.files);
    return await staging.publish({ schema: 1, source: 'folder', folder, addedAt: new Date().toISOString() });
  } catch (error) {
    await staging.discard();
    throw whenFull(folder, error);
  }
}

/** The files directly in a folder. Links to files are included, because the hub's own cache consists of links. */
async function listed(folder: string): Promise<{ readonly name: string; readonly size: number }[]> {
  const found = await Promise.all(
    (await readdir(folder)).map(async (name) => ({
      name,
      info: await stat(path.join(folder, name)).catch(() => null),
    })),
  );
  return found.flatMap(({ name, info }) => (info?.isFile() ? [{ name, size: info.size }] : []));
}

import path from 'node:path';
import { UsageError } from './errors.ts';

/**
 * Whether a text is a valid model name: a valid folder or file name on every platform that cannot be read as a path.
 */
export const isModelName = (name: string): boolean =>
  /^[A-Za-z0-9][\w.-]{0,99}$/.test(name) && !name.endsWith('.') && !/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(name);

/** Whether a text is the path of a folder, such as `./models`, and not a model name. */
export const isPath = (name: string): boolean => /^\.{1,2}([\\/]|$)|\\|^[A-Za-z]:/.test(name) || path.isAbsolute(name);

/** Whether a text can name an installed model: a model name, or a hub's `owner/name`. */
export const isInstalledName = (name: string): boolean => {
  const parts = name.split('/');
  return parts.length <= 2 && parts.every(isModelName);
};

/** A model on a hub, as users write it: `owner/name`, `owner/name/folder` or one of them with `@revision`. */
export interface HubId {
  /** `owner/name`. */
  readonly id: string;
  /** The folder of the repository that holds the model, such as `gsm8k/lora`; null: the root. */
  readonly subfolder: string | null;
  /** A branch, tag or commit; null: the main branch. */
  readonly revision: string | null;
}

/** Parses `owner/name[/folder][@revision]`. Throws a `UsageError` that shows the format. */
export function parseHubId(text: string): HubId {
  const [where, revision, ...rest] = text.trim().split('@') as [string, ...string[]];
  const [owner, name, ...folders] = where.split('/');
  const id = `${owner}/${name}`;
  if (rest.length > 0 || name === undefined || !isInstalledName(id) || !folders.every(isModelName))
    throw new UsageError(
      `${JSON.stringify(text)} is not a model id; use OWNER/NAME, OWNER/NAME/FOLDER or OWNER/NAME@REVISION.`,
    );
  if (revision !== undefined && !isRevision(revision))
    throw new UsageError(
      `${JSON.stringify(revision)} is not a revision; put a branch, tag or commit after the @ of ${id}.`,
    );
  const subfolder = folders.length === 0 ? null : folders.join('/');
  if (!isInstalledName(installedName({ id, subfolder })))
    throw new UsageError(
      `The path ${where} is too long for the name of a model; download the folder and add it by its path.`,
    );
  return { id, subfolder, revision: revision ?? null };
}

/** The name under which a model of a hub is installed: its id, and its folder with `--` for each slash. */
export const installedName = ({ id, subfolder }: Pick<HubId, 'id' | 'subfolder'>): string =>
  subfolder === null ? id : `${id}--${subfolder.replaceAll('/', '--')}`;

/** A branch, tag, commit or `refs/pr/N`: names that git allows and that do not leave the folder as a path. */
const isRevision = (text: string): boolean =>
  /^\w[\w./-]{0,199}$/.test(text) && !text.includes('..') && !text.includes('//') && !text.endsWith('/');

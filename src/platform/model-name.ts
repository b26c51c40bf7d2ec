import path from 'node:path';
import { UsageError } from './errors.ts';

/** Whether a text can name a model: a folder or a file of its own on every platform, and nothing that reads as a path. */
export const isModelName = (name: string): boolean =>
  /^[A-Za-z0-9][\w.-]{0,99}$/.test(name) && !name.endsWith('.') && !/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(name);

/** Whether a text reads as the path of a folder, as `./models` does, and names no model. */
export const isPath = (name: string): boolean => /^\.{1,2}([\\/]|$)|\\|^[A-Za-z]:/.test(name) || path.isAbsolute(name);

/** Whether a text names a folder of installed models: a model's name, or `owner/name` of a hub. */
export const isInstalledName = (name: string): boolean => {
  const parts = name.split('/');
  return parts.length <= 2 && parts.every(isModelName);
};

/** A model of a hub, as a user writes it: `owner/name`, or `owner/name@revision`. */
export interface HubId {
  /** `owner/name`. */
  readonly id: string;
  /** A branch, a tag or a commit; null: the hub's main branch. */
  readonly revision: string | null;
}

/** Reads `owner/name[@revision]`; throws a `UsageError` that says how one is written. */
export function parseHubId(text: string): HubId {
  const [id, revision, ...rest] = text.trim().split('@') as [string, ...string[]];
  if (rest.length > 0 || !id.includes('/') || !isInstalledName(id))
    throw new UsageError(
      `${JSON.stringify(text)} is not the id of a model; write OWNER/NAME as the hub does, or OWNER/NAME@REVISION.`,
    );
  if (revision !== undefined && !isRevision(revision))
    throw new UsageError(
      `${JSON.stringify(revision)} is not a revision; write a branch, a tag or a commit behind the @ of ${id}.`,
    );
  return { id, revision: revision ?? null };
}

/** A branch, a tag, a commit or `refs/pr/N`: what git allows and no path walks out of. */
const isRevision = (text: string): boolean =>
  /^\w[\w./-]{0,199}$/.test(text) && !text.includes('..') && !text.includes('//') && !text.endsWith('/');

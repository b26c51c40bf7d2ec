import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../platform/errors.ts';
import { dataHome } from '../platform/files.ts';
import type { ShownPath } from '../sandbox/sandbox.ts';
import { strippingVersion, stripTypes } from '../syntax/strip-types.ts';
import { hasSecret, workspaceFiles } from './files.ts';

/** Maximum size of all files together. Each test run copies those that are not tests. */
const maxBytes = 64 * 2 ** 20;

/**
 * The state of a workspace at one time, kept in the data home's `cache/workspaces/` under a digest of its content. A
 * run may change its copy of the `free` files. The `fixed` files are tests and configuration, which candidates cannot
 * change.
 */
export interface Snapshot {
  readonly digest: string;
  readonly free: string;
  readonly fixed: string;
  readonly files: readonly string[];
  /** Tests and configuration without some files, and their paths inside the sandbox. */
  shownFixed(without?: readonly string[]): readonly ShownPath[];
}

export interface SnapshotRules {
  readonly isFixed: (file: string) => boolean;
  /** Whether types are stripped from TypeScript, for a Node that does not do so itself. */
  readonly stripTypes: boolean;
}

/** Takes a snapshot or reuses an equal one. Throws a `UserError` if the workspace is too large. */
export async function takeSnapshot(root: string, rules: SnapshotRules): Promise<Snapshot> {
  const hash = createHash('sha256').update(JSON.stringify([rules.stripTypes && strippingVersion]));
  const files: string[] = [];
  let bytes = 0;
  for (const file of await workspaceFiles(root)) {
    const location = path.join(root, file);
    const entry = await stat(location).catch(() => null);
    if (!entry?.isFile()) continue;
    bytes += entry.size;
    if (bytes > maxBytes)
      throw new UserError(
        `The files of ${root} are more than ${maxBytes / 2 ** 20} MiB together, which is too much to copy for every test run; let git ignore large files, or choose a subfolder.`,
      );
    const content = await readFile(location);
    if (hasSecret(content.toString('latin1'))) continue;
    files.push(file);
    hash.update(`${file}\0${rules.isFixed(file)}\0${content.length}\0`).update(content);
  }
  const digest = hash.digest('hex').slice(0, 32);
  const folder = path.join(dataHome(), 'cache', 'workspaces', digest);
  if (!existsSync(folder)) await write(root, folder, files, rules);
  return describe(folder, digest, files, rules);
}

/** An earlier snapshot; null if it no longer exists. */
export async function openSnapshot(digest: string): Promise<Snapshot | null> {
  const folder = path.join(dataHome(), 'cache', 'workspaces', digest);
  const list = await readFile(path.join(folder, 'files.json'), 'utf8').catch(() => null);
  if (list === null) return null;
  const { free, fixed } = JSON.parse(list) as { free: string[]; fixed: string[] };
  return describe(folder, digest, [...free, ...fixed].sort(), {
    isFixed: (file) => fixed.includes(file),
    stripTypes: false,
  });
}

async function write(root: string, folder: string, files: readonly string[], rules: SnapshotRules): Promise<void> {
  // Written atomically, because another process may take the same snapshot.
  const unfinished = `${folder}.${process.pid}`;
  try {
    for (const part of ['free', 'fixed']) await mkdir(path.join(unfinished, part), { recursive: true });
    for (const file of files) {
      const location = path.join(unfinished, rules.isFixed(file) ? 'fixed' : 'free', file);
      await mkdir(path.dirname(location), { recursive: true });
      if (rules.stripTypes && /\.[cm]?ts$/.test(file))
        await writeFile(location, await stripTypes(await readFile(path.join(root, file), 'utf8')));
      else await copyFile(path.join(root, file), location);
    }
    const fixed = files.filter(rules.isFixed);
    const free = files.filter((file) => !rules.isFixed(file));
    await writeFile(path.join(unfinished, 'files.json'), JSON.stringify({ free, fixed }));
    await rename(unfinished, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

function describe(folder: string, digest: string, files: readonly string[], { isFixed }: SnapshotRules): Snapshot {
  const [free, fixed] = [path.join(folder, 'free'), path.join(folder, 'fixed')];
  const shownFixed = (without: readonly string[] = []) =>
    mergedFolders(files, (file) => isFixed(file) && !without.includes(file)).map((location) => ({
      host: path.join(fixed, location),
      inside: `work/${location}`,
    }));
  return { digest, free, fixed, files, shownFixed };
}

/** The fixed files. A folder with only fixed files replaces them, because every mount costs time. */
function mergedFolders(files: readonly string[], isFixed: (file: string) => boolean): string[] {
  const mixed = new Set(['.']);
  for (const file of files)
    if (!isFixed(file))
      for (let folder = path.posix.dirname(file); folder !== '.'; folder = path.posix.dirname(folder))
        mixed.add(folder);
  const locations = files.filter(isFixed).map((file) => {
    let location = file;
    while (!mixed.has(path.posix.dirname(location))) location = path.posix.dirname(location);
    return location;
  });
  return [...new Set(locations)];
}

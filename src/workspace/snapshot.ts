import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../platform/errors.ts';
import { dataHome } from '../platform/files.ts';
import type { ShownPath } from '../sandbox/sandbox.ts';
import { strippingVersion, stripTypes } from '../syntax/strip-types.ts';
import { hasSecret, workspaceFiles } from './files.ts';

/** All files of a snapshot together; each run of tests copies what is not a test. */
const mostBytes = 64 * 2 ** 20;

/**
 * A workspace as it was at one time, kept in the data home's `cache/workspaces/` under a name that follows from every file's
 * content. `free` is what a run may change in its copy; `fixed` are the tests and the configuration, which no candidate
 * can touch.
 */
export interface Snapshot {
  readonly digest: string;
  readonly free: string;
  readonly fixed: string;
  readonly files: readonly string[];
  /** Tests and configuration, and where they are shown inside. */
  readonly shownFixed: readonly ShownPath[];
}

export interface SnapshotRules {
  readonly isFixed: (file: string) => boolean;
  /** Whether types are taken out of TypeScript, for a Node that does not do so itself. */
  readonly stripTypes: boolean;
}

/** Takes a snapshot; one that is there already is taken up. Throws a `UserError` for a workspace that is too large. */
export async function takeSnapshot(root: string, rules: SnapshotRules): Promise<Snapshot> {
  const hash = createHash('sha256').update(JSON.stringify([rules.stripTypes && strippingVersion]));
  const files: string[] = [];
  let bytes = 0;
  for (const file of await workspaceFiles(root)) {
    const place = path.join(root, file);
    const entry = await stat(place).catch(() => null);
    if (!entry?.isFile()) continue;
    bytes += entry.size;
    if (bytes > mostBytes)
      throw new UserError(
        `The files of ${root} are more than ${mostBytes / 2 ** 20} MiB, too much to be copied for every run of tests; let git ignore what is large, or give a folder inside of it.`,
      );
    const content = await readFile(place);
    if (hasSecret(content.toString('latin1'))) continue;
    files.push(file);
    hash.update(`${file}\0${rules.isFixed(file)}\0${content.length}\0`).update(content);
  }
  const digest = hash.digest('hex').slice(0, 32);
  const folder = path.join(dataHome(), 'cache', 'workspaces', digest);
  if (!existsSync(folder)) await write(root, folder, files, rules);
  return describe(folder, digest, files, rules);
}

/** A snapshot that was taken before; null where it is gone. */
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
  // Whole or not at all: another process may take the same snapshot.
  const unfinished = `${folder}.${process.pid}`;
  try {
    for (const part of ['free', 'fixed']) await mkdir(path.join(unfinished, part), { recursive: true });
    for (const file of files) {
      const place = path.join(unfinished, rules.isFixed(file) ? 'fixed' : 'free', file);
      await mkdir(path.dirname(place), { recursive: true });
      if (rules.stripTypes && /\.[cm]?ts$/.test(file))
        await writeFile(place, await stripTypes(await readFile(path.join(root, file), 'utf8')));
      else await copyFile(path.join(root, file), place);
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
  const shownFixed = topmost(files, isFixed).map((place) => ({
    host: path.join(fixed, place),
    inside: `work/${place}`,
  }));
  return { digest, free, fixed, files, shownFixed };
}

/** The fixed files, with a folder in the place of its files where all of them are fixed: few mounts are quick ones. */
function topmost(files: readonly string[], isFixed: (file: string) => boolean): string[] {
  const mixed = new Set(['.']);
  for (const file of files)
    if (!isFixed(file))
      for (let folder = path.posix.dirname(file); folder !== '.'; folder = path.posix.dirname(folder))
        mixed.add(folder);
  const places = files.filter(isFixed).map((file) => {
    let place = file;
    while (!mixed.has(path.posix.dirname(place))) place = path.posix.dirname(place);
    return place;
  });
  return [...new Set(places)];
}

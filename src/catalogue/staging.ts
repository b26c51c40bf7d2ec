import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { UserError } from '../platform/errors.ts';
import { readJson, writeJson } from '../platform/files.ts';
import { namesIn } from '../runs/layout.ts';
import { acquireLock, lockHolder } from '../runs/lock.ts';
import type { DownloadPaths } from './download-file.ts';
import { isModel, modelsFolder } from './find-model.ts';
import { type Origin, writeOrigin } from './origin.ts';
import type { RemoteFile } from './repository.ts';

/** Throws a `UserError` if a model would be inside the folder of another model, and would be removed with it. */
export async function assertOwnFolder(name: string): Promise<void> {
  const owner = path.dirname(name);
  if (owner !== '.' && (await isModel(path.join(modelsFolder(), owner))))
    throw new UserError(
      `${name} would be inside the folder of the model ${owner}; remove that model, or choose another name.`,
    );
}

/** The folder of models that are being added or removed. Lists skip it because its name begins with a dot. */
const stagingFolder = (): string => path.join(modelsFolder(), '.adding');

/** Milliseconds after which a removal counts as abandoned. */
const oldAfter = 3_600_000;

const record = z.record(z.string(), z.string());

/**
 * A model that is being added. `files/` holds complete and checked files, `parts/` incomplete ones, and `files.json` the
 * hashes that the files in `files/` were checked against. One process holds it at a time; a later process can continue it.
 */
export class Staging {
  readonly #name: string;
  readonly #dir: string;
  readonly #release: () => Promise<void>;

  private constructor(name: string, dir: string, release: () => Promise<void>) {
    this.#name = name;
    this.#dir = dir;
    this.#release = release;
  }

  /** Opens or creates the staging folder of a model. Throws a `UserError` if another process holds it. */
  static async open(name: string): Promise<Staging> {
    // Model names contain no @, so each name has a separate folder.
    const dir = path.join(stagingFolder(), name.replace('/', '@'));
    const holder = await lockHolder(dir);
    if (holder)
      throw new UserError(
        `Process ${holder.pid} has been adding ${name} since ${holder.startedAt}; wait until it ends.`,
      );
    await sweep();
    const lock = await acquireLock(dir);
    const staging = new Staging(name, dir, () => lock.release());
    await mkdir(staging.files, { recursive: true });
    await mkdir(path.join(dir, 'parts'), { recursive: true });
    return staging;
  }

  /** The folder that becomes the model's folder. */
  get files(): string {
    return path.join(this.#dir, 'files');
  }

  pathsOf(file: RemoteFile): DownloadPaths {
    return { part: path.join(this.#dir, 'parts', file.hash.hex), target: path.join(this.files, file.name) };
  }

  /** Keeps the complete and incomplete files that are part of `wantedFiles` and removes all others. Returns the complete ones. */
  async keep(wantedFiles: readonly RemoteFile[]): Promise<Set<string>> {
    const before = record.safeParse(await readJson(this.#record).catch(() => null)).data ?? {};
    const hashes = new Map(wantedFiles.map(({ name, hash }) => [name, hash.hex]));
    const whole = new Set<string>();
    for (const name of await readdir(this.files)) {
      const found = await stat(path.join(this.files, name));
      const file = wantedFiles.find((each) => each.name === name);
      if (file && before[name] === file.hash.hex && found.isFile() && found.size === file.size) whole.add(name);
      else await rm(path.join(this.files, name), { recursive: true, force: true });
    }
    const parts = path.join(this.#dir, 'parts');
    for (const name of await readdir(parts))
      if (![...hashes.values()].includes(name)) await rm(path.join(parts, name), { recursive: true, force: true });
    // The record is written before the first file, so every file in `files/` was checked against its hash here.
    await writeJson(this.#record, Object.fromEntries(hashes));
    return whole;
  }

  /** The size of an incomplete file in bytes. */
  async partSize(file: RemoteFile): Promise<number> {
    return (await stat(this.pathsOf(file).part).catch(() => null))?.size ?? 0;
  }

  /** Moves the files to the model's folder in one step. An existing model of that name is replaced. */
  async publish(origin: Origin): Promise<string> {
    await writeOrigin(this.files, origin);
    const target = path.join(modelsFolder(), this.#name);
    const old = await moveAway(target);
    try {
      await mkdir(path.dirname(target), { recursive: true });
      await rename(this.files, target);
    } catch (error) {
      if (old !== null) await rename(old, target);
      throw error;
    }
    if (old !== null) await removeTree(old);
    await this.discard();
    return target;
  }

  /** Removes the staging folder. */
  async discard(): Promise<void> {
    await removeTree(this.#dir);
    await this.#release();
  }

  /** Releases the staging folder and keeps its files. */
  async close(): Promise<void> {
    await this.#release();
  }

  get #record(): string {
    return path.join(this.#dir, 'files.json');
  }
}

/** Removes a model's folder. It disappears from lists in one step, and then from the disk. */
export async function removeFolder(folder: string): Promise<void> {
  const old = await moveAway(folder);
  if (old !== null) await removeTree(old);
}

/** Moves a model's folder out of the lists in one step and returns its new location; null if there is no such folder. */
async function moveAway(folder: string): Promise<string | null> {
  const location = path.join(stagingFolder(), `${randomUUID()}.old`);
  await mkdir(path.dirname(location), { recursive: true });
  try {
    await rename(folder, location);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  await removeEmpty(path.dirname(folder));
  return location;
}

/** Removes the remains of removals whose process was killed. */
async function sweep(): Promise<void> {
  for (const name of await namesIn(stagingFolder())) {
    const folder = path.join(stagingFolder(), name);
    const since = Date.now() - ((await stat(folder).catch(() => null))?.ctimeMs ?? Date.now());
    if (name.endsWith('.old') && since > oldAfter) await removeTree(folder);
  }
}

async function removeTree(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  await removeEmpty(path.dirname(folder));
}

/** Removes the empty folder of an owner without models, and `.adding` if it is empty. */
async function removeEmpty(folder: string): Promise<void> {
  if (path.relative(modelsFolder(), folder) === '') return;
  const removed = await rmdir(folder).then(
    () => true,
    () => false,
  );
  if (removed) await removeEmpty(path.dirname(folder));
}

import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { UserError } from '../platform/errors.ts';
import { readJson, writeJson } from '../platform/files.ts';
import { namesIn } from '../runs/layout.ts';
import { acquireLock, lockHolder } from '../runs/lock.ts';
import type { FilePlaces } from './download-file.ts';
import { isModel, modelsFolder } from './find-model.ts';
import { type Origin, writeOrigin } from './origin.ts';
import type { RemoteFile } from './repository.ts';

/** Throws a `UserError` where a model would lie in another's folder, and go with that. */
export async function assertOwnFolder(name: string): Promise<void> {
  const owner = path.dirname(name);
  if (owner !== '.' && (await isModel(path.join(modelsFolder(), owner))))
    throw new UserError(
      `There is a model ${owner}, in whose folder ${name} would lie; remove that one, or keep it under another name.`,
    );
}

/** Where models are on their way in or out; no list looks there, for no model has a name that begins with a dot. */
const wayFolder = (): string => path.join(modelsFolder(), '.adding');

/** Milliseconds after which nobody is at removing a model any more. */
const oldAfter = 3_600_000;

const record = z.record(z.string(), z.string());

/**
 * A model that is not whole yet: `files/` holds what is whole and checked, `parts/` what is not, and `files.json` the
 * hashes that `files/` was checked for. It is held by one process, and survives that.
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

  /** Opens what there is of a model, or begins it; throws a `UserError` where another process is at it. */
  static async open(name: string): Promise<Staging> {
    // One folder each: in a model's own name no @ can stand.
    const dir = path.join(wayFolder(), name.replace('/', '@'));
    const holder = await lockHolder(dir);
    if (holder)
      throw new UserError(
        `${name} is being added by process ${holder.pid} since ${holder.startedAt}; wait for that one.`,
      );
    await sweep();
    const lock = await acquireLock(dir);
    const staging = new Staging(name, dir, () => lock.release());
    await mkdir(staging.files, { recursive: true });
    await mkdir(path.join(dir, 'parts'), { recursive: true });
    return staging;
  }

  /** What becomes the model's folder. */
  get files(): string {
    return path.join(this.#dir, 'files');
  }

  places(file: RemoteFile): FilePlaces {
    return { part: path.join(this.#dir, 'parts', file.hash.hex), target: path.join(this.files, file.name) };
  }

  /** Keeps of what is there what is part of `wanted`, whole or not, and removes the rest. Returns what is whole. */
  async keep(wanted: readonly RemoteFile[]): Promise<Set<string>> {
    const before = record.safeParse(await readJson(this.#record).catch(() => null)).data ?? {};
    const hashes = new Map(wanted.map(({ name, hash }) => [name, hash.hex]));
    const whole = new Set<string>();
    for (const name of await readdir(this.files)) {
      const found = await stat(path.join(this.files, name));
      const file = wanted.find((each) => each.name === name);
      if (file && before[name] === file.hash.hex && found.isFile() && found.size === file.size) whole.add(name);
      else await rm(path.join(this.files, name), { recursive: true, force: true });
    }
    const parts = path.join(this.#dir, 'parts');
    for (const name of await readdir(parts))
      if (![...hashes.values()].includes(name)) await rm(path.join(parts, name), { recursive: true, force: true });
    // Written before the first of them is there: a file under a name was checked for the hash that stands here.
    await writeJson(this.#record, Object.fromEntries(hashes));
    return whole;
  }

  /** Bytes that are there of a file that is not whole. */
  async partSize(file: RemoteFile): Promise<number> {
    return (await stat(this.places(file).part).catch(() => null))?.size ?? 0;
  }

  /** Makes it a model, in one step; one of that name that is there already makes way. */
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

  /** Removes it with all that is in it. */
  async discard(): Promise<void> {
    await removeTree(this.#dir);
    await this.#release();
  }

  /** Leaves it for another time. */
  async close(): Promise<void> {
    await this.#release();
  }

  get #record(): string {
    return path.join(this.#dir, 'files.json');
  }
}

/** Removes a model's folder: out of the list in one step, and then from the disk. */
export async function removeFolder(folder: string): Promise<void> {
  const old = await moveAway(folder);
  if (old !== null) await removeTree(old);
}

/** Takes a model's folder out of the list, in one step, and says where it lies now; null where there is none. */
async function moveAway(folder: string): Promise<string | null> {
  const place = path.join(wayFolder(), `${randomUUID()}.old`);
  await mkdir(path.dirname(place), { recursive: true });
  try {
    await rename(folder, place);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  await removeEmpty(path.dirname(folder));
  return place;
}

/** Removes what a process left that was killed while it removed a model. */
async function sweep(): Promise<void> {
  for (const name of await namesIn(wayFolder())) {
    const folder = path.join(wayFolder(), name);
    const since = Date.now() - ((await stat(folder).catch(() => null))?.ctimeMs ?? Date.now());
    if (name.endsWith('.old') && since > oldAfter) await removeTree(folder);
  }
}

async function removeTree(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  await removeEmpty(path.dirname(folder));
}

/** Removes the folder of an owner who has no models any more, and `.adding` where nothing is on its way. */
async function removeEmpty(folder: string): Promise<void> {
  if (path.relative(modelsFolder(), folder) === '') return;
  const removed = await rmdir(folder).then(
    () => true,
    () => false,
  );
  if (removed) await removeEmpty(path.dirname(folder));
}

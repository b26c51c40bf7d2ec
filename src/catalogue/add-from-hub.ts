import { constants } from 'node:fs';
import { copyFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { size } from '../platform/amounts.ts';
import { Interrupted, UserError } from '../platform/errors.ts';
import { exists } from '../platform/files.ts';
import type { HubId } from '../platform/model-name.ts';
import type { ModelOffer } from '../protocol/models.ts';
import { assertFits, type FreeSpace, whenFull } from './disk-space.ts';
import { downloadFile } from './download-file.ts';
import { modelsFolder } from './find-model.ts';
import { HubClient, type HubSettings } from './hub-client.ts';
import { explain, HubError, HubUnreachable } from './hub-error.ts';
import { assertLoadable } from './loadable.ts';
import { type Offer, readOffer } from './offer.ts';
import { type HubOrigin, readOrigin } from './origin.ts';
import { hasContent } from './partial-file.ts';
import { commitOf, type RemoteFile } from './repository.ts';
import { assertOwnFolder, Staging } from './staging.ts';
import { WatchedDownload } from './watch-download.ts';

export interface AddFromHub {
  readonly wanted: HubId;
  readonly hub: HubSettings;
  /** Adds what the runtime cannot load, too. */
  readonly force: boolean;
  /** Lets it take the place of another revision that is installed. */
  readonly replace: boolean;
  /** Told of what is about to happen, and how far it is. */
  readonly progress: (line: string) => void;
  /** Told of the model before its weights are fetched. */
  readonly onOffer?: (offer: ModelOffer) => void;
  readonly freeSpace?: FreeSpace;
}

/**
 * Downloads a model of a hub into the installed ones and returns its folder. What was fetched before goes on; one that is
 * there already at that revision needs no network. Throws a `UserError` that says what to do, `Interrupted` where the
 * signal ended it.
 */
export async function addFromHub(request: AddFromHub): Promise<string> {
  const { wanted, hub: settings, progress } = request;
  const hub = new HubClient(settings);
  const folder = path.join(modelsFolder(), wanted.id);
  return explained(wanted, settings, async () => {
    const there = await installed(folder, wanted.id);
    if (there !== null && (await isWanted(hub, there, request))) {
      progress(`${wanted.id} is there already, at ${there.commit}.`);
      return folder;
    }
    const offer = await readOffer(hub, wanted);
    request.onOffer?.({ ...offer.document, installed: there?.commit ?? null });
    assertLoadable(offer.loadable, request.force);
    return download(hub, offer, there === null ? null : folder, request);
  });
}

/** What a hub has of a model; nothing is written. */
export async function offerOf(wanted: HubId, settings: HubSettings): Promise<ModelOffer> {
  return explained(wanted, settings, async () => {
    const { document } = await readOffer(new HubClient(settings), wanted);
    const there = await installed(path.join(modelsFolder(), wanted.id), wanted.id);
    return { ...document, installed: there?.commit ?? null };
  });
}

/** The hub's refusals as sentences about the model. */
async function explained<Result>(wanted: HubId, settings: HubSettings, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (settings.signal.aborted)
      throw new Interrupted(`Adding ${wanted.id} was stopped; what was fetched is kept, and the same command goes on.`);
    throw error instanceof HubError ? explain(error, wanted, settings) : error;
  }
}

/** What is installed under an id; throws a `UserError` where that is something else than the hub's. */
async function installed(folder: string, id: string): Promise<HubOrigin | null> {
  await assertOwnFolder(id);
  if (!(await exists(path.join(folder, 'config.json')))) return null;
  const origin = await readOrigin(folder);
  if (origin?.source === 'hub') return origin;
  throw new UserError(`There is another model ${id} that is not the hub's; \`unmask models remove ${id}\` makes room.`);
}

/** Whether what is there is what is asked for; throws a `UserError` where it is another revision and stays. */
async function isWanted(hub: HubClient, there: HubOrigin, { wanted, replace }: AddFromHub): Promise<boolean> {
  const { id, revision } = wanted;
  if (revision !== null && /^[0-9a-f]{7,40}$/.test(revision) && there.commit.startsWith(revision)) return true;
  const commit = await commitOf(hub, wanted).catch((error: unknown) => {
    // Without a network, what was asked for the last time in the same words is what there is.
    if (error instanceof HubUnreachable && revision === there.revision) return there.commit;
    throw error;
  });
  if (commit === there.commit) return true;
  if (replace) return false;
  throw new UserError(
    `${id} is there already at ${there.commit.slice(0, 12)}, and ${revision ?? 'main'} is ${commit.slice(0, 12)} on the hub; --replace takes that one.`,
  );
}

/** @param before the folder of another revision that makes way; null: there is none */
async function download(hub: HubClient, offer: Offer, before: string | null, request: AddFromHub): Promise<string> {
  const { id, revision, commit, files } = offer;
  const staging = await Staging.open(id);
  try {
    const whole = await staging.keep(files);
    if (before !== null) for (const name of await takeUnchanged(staging, files, before)) whole.add(name);
    const missing = files.filter(({ name }) => !whole.has(name));
    const parts = await Promise.all(missing.map((file) => staging.partSize(file)));
    const left = sum(missing) - parts.reduce((all, bytes) => all + bytes, 0);
    await assertFits(staging.files, left, request.freeSpace);
    const { bytes } = offer.document;
    if (left < bytes) request.progress(`${size(bytes - left)} of it are there already; the rest is fetched.`);
    const watched = new WatchedDownload(bytes, request.progress);
    for (const file of files)
      if (whole.has(file.name)) watched.add(file.size, false, file.name);
      else
        await downloadFile(hub, offer, file, staging.places(file), (more, fresh) =>
          watched.add(more, fresh, file.name),
        );
    return await staging.publish({
      schema: 1,
      source: 'hub',
      ...{ id, revision, commit },
      addedAt: new Date().toISOString(),
      files: files.map(({ name, size: length, hash }) => ({ name, size: length, hash: `${hash.kind}:${hash.hex}` })),
    });
  } catch (error) {
    throw whenFull(staging.files, error);
  } finally {
    await staging.close();
  }
}

/** Copies from another revision the files that are the same in this one; returns their names. */
async function takeUnchanged(staging: Staging, files: readonly RemoteFile[], before: string): Promise<string[]> {
  const taken: string[] = [];
  for (const file of files) {
    const place = path.join(before, file.name);
    if (!(await hasContent(place, file))) continue;
    const { part, target } = staging.places(file);
    await copyFile(place, part, constants.COPYFILE_FICLONE);
    // Under its name only once it is whole: a copy may be cut off by a kill.
    await rename(part, target);
    taken.push(file.name);
  }
  return taken;
}

const sum = (files: readonly RemoteFile[]): number => files.reduce((all, { size: bytes }) => all + bytes, 0);

import { constants } from 'node:fs';
import { copyFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { size } from '../platform/amounts.ts';
import { Interrupted, UserError } from '../platform/errors.ts';
import { type HubId, installedName } from '../platform/model-name.ts';
import type { ModelOffer } from '../protocol/models.ts';
import { assertFits, type FreeSpace, whenFull } from './disk-space.ts';
import { downloadFile } from './download-file.ts';
import { isModel, modelsFolder } from './find-model.ts';
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
  readonly hubId: HubId;
  readonly hub: HubSettings;
  /** Also adds a model that the runtime cannot load. */
  readonly force: boolean;
  /** Replaces another installed revision of the model, and downloads files again that are damaged. */
  readonly replace: boolean;
  /** Receives lines about what happens and the progress of the download. */
  readonly progress: (line: string) => void;
  /** Receives the description of the model before its weights are downloaded. */
  readonly onOffer?: (offer: ModelOffer) => void;
  /** Called with the complete folder before the model appears; throws if the model is not to be added. */
  readonly accept?: (folder: string) => Promise<void>;
  readonly freeSpace?: FreeSpace;
}

/**
 * Downloads a model from a hub, installs it and returns its folder. An interrupted download is continued. If the requested
 * commit is installed already, no network is needed.
 *
 * @throws UserError that says what to do, Interrupted if the signal was aborted
 */
export async function addFromHub(request: AddFromHub): Promise<string> {
  const { hubId, hub: settings, progress, replace } = request;
  const hub = new HubClient(settings);
  const name = installedName(hubId);
  const folder = path.join(modelsFolder(), name);
  return explained(hubId, settings, async () => {
    const there = await installed(folder, name);
    if (
      there !== null &&
      (await confirmDownload(hub, there, request)) &&
      (!replace || (await isWhole(folder, there)))
    ) {
      progress(`${name} is installed already, at ${there.commit}.`);
      return folder;
    }
    const offer = await readOffer(hub, hubId);
    request.onOffer?.({ ...offer.document, installed: there?.commit ?? null });
    assertLoadable(offer.loadable, request.force);
    return download(hub, offer, there === null ? null : folder, request);
  });
}

/** Describes a model on a hub. Writes nothing. */
export async function offerOf(hubId: HubId, settings: HubSettings): Promise<ModelOffer> {
  return explained(hubId, settings, async () => {
    const { document } = await readOffer(new HubClient(settings), hubId);
    const name = installedName(hubId);
    const there = await installed(path.join(modelsFolder(), name), name);
    return { ...document, installed: there?.commit ?? null };
  });
}

/** Runs `work` and turns errors of the hub into messages about the model. */
async function explained<Result>(hubId: HubId, settings: HubSettings, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (settings.signal.aborted)
      throw new Interrupted(
        `Adding ${installedName(hubId)} was stopped. The downloaded part is kept; run the same command to continue.`,
      );
    throw error instanceof HubError ? explain(error, hubId, settings) : error;
  }
}

/** The installed model of this name; null if there is none. Throws a `UserError` if that model is not from the hub. */
async function installed(folder: string, name: string): Promise<HubOrigin | null> {
  await assertOwnFolder(name);
  if (!(await isModel(folder))) return null;
  const origin = await readOrigin(folder);
  if (origin?.source === 'hub') return origin;
  throw new UserError(
    `A model named ${name} that is not from the hub exists already; remove it first with \`unmask models remove ${name}\`.`,
  );
}

/** Whether the requested commit is installed. Throws a `UserError` if another one is and may not be replaced. */
async function confirmDownload(hub: HubClient, there: HubOrigin, { hubId, replace }: AddFromHub): Promise<boolean> {
  const { revision } = hubId;
  if (revision !== null && /^[0-9a-f]{7,40}$/.test(revision) && there.commit.startsWith(revision)) return true;
  const commit = await commitOf(hub, hubId).catch((error: unknown) => {
    // Without a network, the same revision name is taken to mean the commit that it meant when it was installed.
    if (error instanceof HubUnreachable && revision === there.revision) return there.commit;
    throw error;
  });
  if (commit === there.commit) return true;
  if (replace) return false;
  throw new UserError(
    `${installedName(hubId)} is installed at ${there.commit.slice(0, 12)}, but ${revision ?? 'main'} is ${commit.slice(0, 12)} on the hub; use --replace to install that one.`,
  );
}

/** Whether the files of an installed model are as they were downloaded. */
async function isWhole(folder: string, { files }: HubOrigin): Promise<boolean> {
  for (const { name, size: bytes, hash } of files) {
    const [kind, hex] = hash.split(':') as [RemoteFile['hash']['kind'], string];
    if (!(await hasContent(path.join(folder, name), { size: bytes, hash: { kind, hex } }))) return false;
  }
  return true;
}

/** @param before the folder of the installed revision that is replaced; null: none is installed */
async function download(hub: HubClient, offer: Offer, before: string | null, request: AddFromHub): Promise<string> {
  const { id, revision, commit, files, document } = offer;
  const staging = await Staging.open(document.name);
  try {
    const whole = await staging.keep(files);
    if (before !== null) for (const name of await takeUnchanged(staging, files, before)) whole.add(name);
    const missing = files.filter(({ name }) => !whole.has(name));
    const parts = await Promise.all(missing.map((file) => staging.partSize(file)));
    const left = sum(missing) - parts.reduce((all, bytes) => all + bytes, 0);
    await assertFits(staging.files, left, request.freeSpace);
    const { bytes } = document;
    if (left < bytes) request.progress(`${size(bytes - left)} are downloaded already; downloading the rest.`);
    const watched = new WatchedDownload(bytes, request.progress);
    for (const file of files)
      if (whole.has(file.name)) watched.add(file.size, false, file.name);
      else
        await downloadFile(hub, offer, file, staging.pathsOf(file), (more, fresh) =>
          watched.add(more, fresh, file.name),
        );
    await request.accept?.(staging.files);
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

/** Copies the files that did not change from another revision; returns their names. */
async function takeUnchanged(staging: Staging, files: readonly RemoteFile[], before: string): Promise<string[]> {
  const taken: string[] = [];
  for (const file of files) {
    const location = path.join(before, file.name);
    if (!(await hasContent(location, file))) continue;
    const { part, target } = staging.pathsOf(file);
    await copyFile(location, part, constants.COPYFILE_FICLONE);
    // The file gets its name when it is complete, because the process may be killed during the copy.
    await rename(part, target);
    taken.push(file.name);
  }
  return taken;
}

const sum = (files: readonly RemoteFile[]): number => files.reduce((all, { size: bytes }) => all + bytes, 0);

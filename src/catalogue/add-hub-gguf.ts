import path from 'node:path';
import { size } from '../platform/amounts.ts';
import { Interrupted, UserError } from '../platform/errors.ts';
import { type HubId, installedName } from '../platform/model-name.ts';
import { addGguf } from './add-gguf.ts';
import { assertFits, type FreeSpace, whenFull } from './disk-space.ts';
import { downloadFile } from './download-file.ts';
import { assertFreeName } from './free-name.ts';
import { HubClient, type HubSettings } from './hub-client.ts';
import { explain, HubError } from './hub-error.ts';
import { type RemoteFile, type Repository, readRepository } from './repository.ts';
import { Staging } from './staging.ts';
import { WatchedDownload } from './watch-download.ts';

export interface AddHubGguf {
  /** The repository, with the folder that holds the file. */
  readonly hubId: HubId;
  /** Name of a GGUF file in it. */
  readonly file: string;
  /** SHA-256 that the file must have; null: any. */
  readonly sha256: string | null;
  /** The name of the installed model. */
  readonly name: string;
  readonly hub: HubSettings;
  /** Receives lines about what happens and the progress of the download. */
  readonly progress: (line: string) => void;
  /** Called with the complete folder before the model appears; throws if the model is not to be added. */
  readonly accept?: (folder: string) => Promise<void>;
  readonly freeSpace?: FreeSpace;
}

/**
 * Downloads a GGUF file from a hub, converts it into an installed model and returns its folder. An interrupted download is
 * continued. The downloaded file is removed when the model was added.
 *
 * @throws UserError that says what to do, Interrupted if the signal was aborted
 */
export async function addHubGguf(request: AddHubGguf): Promise<string> {
  const { hubId, file, hub: settings } = request;
  await assertFreeName(request.name);
  try {
    const hub = new HubClient(settings);
    const repository = await readRepository(hub, hubId);
    return await download(hub, repository, chosenFile(repository, request), request);
  } catch (error) {
    if (settings.signal.aborted)
      throw new Interrupted(
        `Adding ${file} of ${hubId.id} was stopped. The downloaded part is kept; run the same command to continue.`,
      );
    throw error instanceof HubError ? explain(error, hubId, settings) : error;
  }
}

function chosenFile({ id, files }: Repository, { file, sha256 }: AddHubGguf): RemoteFile {
  const found = files.find(({ name }) => name === file);
  if (!found) {
    const others = files.map(({ name }) => name).filter((name) => /\.gguf$/i.test(name));
    const which = others.length === 0 ? 'it has no GGUF files there' : `its GGUF files are ${others.join(', ')}`;
    throw new UserError(`There is no ${file} in ${id}; ${which}.`);
  }
  if (sha256 !== null && found.hash.hex !== sha256)
    throw new UserError(
      `${file} of ${id} has changed on the hub, and the bundled adapter was made for the earlier file; add a copy of that one with \`unmask models add FILE.gguf --name NAME\`.`,
    );
  return found;
}

async function download(hub: HubClient, repository: Repository, remote: RemoteFile, request: AddHubGguf) {
  const { hubId, name, progress, accept, freeSpace } = request;
  progress(`${remote.name} of ${hubId.id}: ${size(remote.size)}, licence ${repository.licence ?? 'not named'}`);
  const staging = await Staging.open(`${installedName(hubId)}--${remote.name}`);
  try {
    const whole = await staging.keep([remote]);
    const watched = new WatchedDownload(remote.size, progress);
    if (whole.has(remote.name)) watched.add(remote.size, false, remote.name);
    else {
      await assertFits(staging.files, remote.size - (await staging.partSize(remote)), freeSpace);
      await downloadFile(hub, repository, remote, staging.pathsOf(remote), (bytes, fresh) =>
        watched.add(bytes, fresh, remote.name),
      );
    }
    const folder = await addGguf({
      file: path.join(staging.files, remote.name),
      source: `${hubId.id}/${remote.path}@${repository.commit}`,
      ...{ name, progress, signal: hub.settings.signal },
      ...(accept ? { accept } : {}),
      ...(freeSpace ? { freeSpace } : {}),
    });
    await staging.discard();
    return folder;
  } catch (error) {
    await staging.close();
    throw whenFull(staging.files, error);
  }
}

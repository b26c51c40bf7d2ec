import { fileDownloadInfo } from '@huggingface/hub';
import { UserError } from '../platform/errors.ts';
import { Backoff } from './backoff.ts';
import { causeOf, type HubClient, LostConnection } from './hub-client.ts';
import { HubError, HubUnreachable } from './hub-error.ts';
import { PartialFile } from './partial-file.ts';
import type { RemoteFile, Repository } from './repository.ts';

export interface DownloadPaths {
  /**
   * The incomplete file. Its name contains the hash of the content, so a download never continues with bytes of another
   * content. `If-Range` would serve the same purpose, but the ETags of the storage hosts are less reliable.
   */
  readonly part: string;
  /** The complete, checked file. */
  readonly target: string;
}

/**
 * Downloads one file. It continues an incomplete file, and tries again after a lost connection as long as data arrives. The
 * hub's own client finds the address; its download functions are not used because they restart a file after an
 * interruption and check no hash.
 *
 * @param onBytes called with the bytes that exist already, then with bytes as they arrive
 * @throws UserError if the content differs from the listing, HubError and HubUnreachable if the download fails
 */
export async function downloadFile(
  hub: HubClient,
  { id, commit }: Pick<Repository, 'id' | 'commit'>,
  file: RemoteFile,
  { part, target }: DownloadPaths,
  onBytes: (bytes: number, fresh: boolean) => void,
): Promise<void> {
  const partial = await PartialFile.open(file, part);
  try {
    onBytes(partial.size, false);
    if (partial.size < file.size) {
      const backoff = new Backoff(hub.settings.firstWait, hub.settings.signal);
      while (partial.size < file.size) {
        const before = partial.size;
        try {
          // The address is requested for each attempt, because signed addresses expire.
          await receive(hub, await addressOf(hub, { id, commit }, file), file, partial, onBytes);
        } catch (error) {
          if (!(error instanceof HubUnreachable || (error instanceof HubError && error.mayPass))) throw error;
          if (partial.size > before) backoff.succeeded();
          await backoff.wait(error);
        }
      }
    }
    await partial.finish(target);
  } finally {
    // A finished file is closed already, so an error here is expected.
    await partial.close().catch(() => undefined);
  }
}

/** The address of a file's bytes. Throws a `UserError` if its size differs from the listing. */
async function addressOf(
  hub: HubClient,
  { id, commit }: Pick<Repository, 'id' | 'commit'>,
  { name, path, size }: RemoteFile,
): Promise<string> {
  const { endpoint: hubUrl } = hub.settings;
  const info = await fileDownloadInfo({ repo: id, revision: commit, path, hubUrl, fetch: hub.fetch });
  if (info === null) throw new UserError(`The hub lists ${name} of ${id} but does not have it; try again later.`);
  if (info.size !== size)
    throw new UserError(
      `The hub lists ${name} of ${id} with ${size} bytes but delivers ${info.size}, so it was not downloaded; try again later.`,
    );
  return info.url;
}

/** Makes one request for the missing bytes and reads until the file is complete or the connection is lost. */
async function receive(
  hub: HubClient,
  url: string,
  file: RemoteFile,
  partial: PartialFile,
  onBytes: (bytes: number, fresh: boolean) => void,
): Promise<void> {
  const response = await hub.once(url, {
    // Without compression, sizes and ranges refer to the content.
    headers: { 'accept-encoding': 'identity', ...(partial.size > 0 ? { range: `bytes=${partial.size}-` } : {}) },
  });
  if (partial.size > 0 && !isContinuation(response, partial.size, file.size)) {
    // A server without support for ranges sends the whole file.
    onBytes(-partial.size, false);
    await partial.restart();
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new LostConnection(`The server did not continue ${file.name} where the download had stopped; try again.`);
    }
  }
  for await (const bytes of bytesOf(response, hub.settings)) {
    await partial.append(bytes);
    onBytes(bytes.length, true);
  }
  if (partial.size < file.size) throw new LostConnection(`The connection ended in the middle of ${file.name}.`);
}

/** Whether a response is the rest of a file of `size` bytes, beginning at byte `start` (RFC 9110, section 14.4). */
function isContinuation(response: Response, start: number, size: number): boolean {
  if (response.status !== 206) return false;
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  return range !== null && Number(range[1]) === start && (range[2] === '*' || Number(range[2]) === size);
}

/** The bytes of a response as they arrive. A connection without data for `patience` milliseconds counts as lost. */
async function* bytesOf(
  { body }: Response,
  { signal, patience }: { readonly signal: AbortSignal; readonly patience: number },
): AsyncGenerator<Uint8Array> {
  if (!body) return;
  const reader = body.getReader();
  try {
    for (;;) {
      // This ends the read below as if the response were complete; the caller counts the bytes.
      const silent = setTimeout(() => void reader.cancel().catch(() => undefined), patience);
      const { done, value } = await reader.read().finally(() => clearTimeout(silent));
      if (done) return;
      yield value;
    }
  } catch (error) {
    if (signal.aborted) throw error;
    throw new LostConnection(`The connection was lost (${causeOf(error)}); try again. The downloaded part is kept.`);
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

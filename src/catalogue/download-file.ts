import { fileDownloadInfo } from '@huggingface/hub';
import { UserError } from '../platform/errors.ts';
import { Backoff } from './backoff.ts';
import { causeOf, type HubClient, LostConnection } from './hub-client.ts';
import { HubError, HubUnreachable } from './hub-error.ts';
import { PartialFile } from './partial-file.ts';
import type { RemoteFile, Repository } from './repository.ts';

export interface FilePlaces {
  /**
   * Where its bytes are gathered: a place whose name holds the content's hash, so that bytes of another content are
   * never gone on with. This is what `If-Range` is for elsewhere; an ETag of the host that the hub redirects to says less.
   */
  readonly part: string;
  /** Where it lies once it is whole and checked. */
  readonly target: string;
}

/**
 * Downloads one file, going on with what is there of it, and again after each cut as long as anything arrives. The
 * hub's own client finds the address; its functions that download begin a file anew after a cut, and check no hash.
 *
 * @param onBytes told of bytes as they arrive, and first of those that are there already
 * @throws UserError where the content is not what was listed, HubError and HubUnreachable where it cannot be had
 */
export async function downloadFile(
  hub: HubClient,
  { id, commit }: Pick<Repository, 'id' | 'commit'>,
  file: RemoteFile,
  { part, target }: FilePlaces,
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
          // Asked for each time: an address on another host is signed, and good for a while only.
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
    // Closed already where it is finished.
    await partial.close().catch(() => undefined);
  }
}

/** Where a file's bytes are; throws a `UserError` where they are not what was listed. */
async function addressOf(
  hub: HubClient,
  { id, commit }: Pick<Repository, 'id' | 'commit'>,
  { name, size }: RemoteFile,
): Promise<string> {
  const { endpoint: hubUrl } = hub.settings;
  const info = await fileDownloadInfo({ repo: id, revision: commit, path: name, hubUrl, fetch: hub.fetch });
  if (info === null) throw new UserError(`The hub lists ${name} of ${id} and does not have it; try again later.`);
  if (info.size !== size)
    throw new UserError(`The hub lists ${name} of ${id} with ${size} bytes and gives ${info.size}; it is not taken.`);
  return info.url;
}

/** One request for what is missing, until all is there or the connection is lost. */
async function receive(
  hub: HubClient,
  url: string,
  file: RemoteFile,
  partial: PartialFile,
  onBytes: (bytes: number, fresh: boolean) => void,
): Promise<void> {
  const response = await hub.once(url, {
    // Sizes and ranges are those of the content, not of a compressed form.
    headers: { 'accept-encoding': 'identity', ...(partial.size > 0 ? { range: `bytes=${partial.size}-` } : {}) },
  });
  if (partial.size > 0 && !goesOn(response, partial.size, file.size)) {
    // Who knows no ranges sends all of it.
    onBytes(-partial.size, false);
    await partial.restart();
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new LostConnection(`${file.name} was not given from where it stopped; try again.`);
    }
  }
  for await (const bytes of bytesOf(response, hub.settings)) {
    await partial.append(bytes);
    onBytes(bytes.length, true);
  }
  if (partial.size < file.size) throw new LostConnection(`The connection ended in the middle of ${file.name}.`);
}

/** Whether an answer is the rest of a file of `size` bytes, from byte `start` on (RFC 9110, 14.4). */
function goesOn(response: Response, start: number, size: number): boolean {
  if (response.status !== 206) return false;
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  return range !== null && Number(range[1]) === start && (range[2] === '*' || Number(range[2]) === size);
}

/** An answer's bytes as they come; one that falls silent counts as lost. */
async function* bytesOf(
  { body }: Response,
  { signal, patience }: { readonly signal: AbortSignal; readonly patience: number },
): AsyncGenerator<Uint8Array> {
  if (!body) return;
  const reader = body.getReader();
  try {
    for (;;) {
      // Ends the read below as if all had come; the caller counts.
      const silent = setTimeout(() => void reader.cancel().catch(() => undefined), patience);
      const { done, value } = await reader.read().finally(() => clearTimeout(silent));
      if (done) return;
      yield value;
    }
  } catch (error) {
    if (signal.aborted) throw error;
    throw new LostConnection(`The connection was lost (${causeOf(error)}); try again, what is there is kept.`);
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

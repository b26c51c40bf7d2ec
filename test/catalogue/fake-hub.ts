import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A file of a repository; files in large file storage are served by another host. */
export interface FakeFile {
  readonly name: string;
  readonly content: Buffer;
  readonly large?: boolean;
  /** Wrong values in the listing. */
  readonly listed?: { readonly size?: number; readonly hash?: string };
}

export interface FakeRepository {
  readonly id: string;
  readonly commit: string;
  readonly files: readonly FakeFile[];
  readonly licence?: string;
  readonly gated?: boolean;
}

/** A request that the hub, or the host of its large files, received. */
export interface Seen {
  readonly host: 'hub' | 'storage';
  readonly path: string;
  readonly range: string | null;
  readonly authorization: string | null;
}

/** A failure of a request whose path ends like this; the first match is used once. */
export interface Trouble {
  readonly path: string;
  readonly host?: 'hub' | 'storage';
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Number of bytes of the body after which the connection is closed, or sends nothing more. */
  readonly cutAfter?: number;
  readonly silentAfter?: number;
  /** Whether to answer with the whole file, ignoring the requested range. */
  readonly ignoreRange?: boolean;
}

export const token = 'hf_goodtoken';

/**
 * A small part of the Hugging Face hub's protocol: a model's commit, its files in pages, and their bytes with ETags,
 * `X-Linked-*` and ranges. Large files are redirected to another host.
 */
export class FakeHub {
  readonly seen: Seen[] = [];
  readonly troubles: Trouble[] = [];
  readonly repositories: FakeRepository[] = [];
  /** Number of files on a page of a listing. */
  pageSize = 1000;
  readonly #hub: Server;
  readonly #storage: Server;

  private constructor() {
    this.#hub = createServer((request, response) => void this.#answer('hub', request, response));
    this.#storage = createServer((request, response) => void this.#answer('storage', request, response));
  }

  static async start(): Promise<FakeHub> {
    const hub = new FakeHub();
    for (const server of [hub.#hub, hub.#storage]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    return hub;
  }

  get endpoint(): string {
    return addressOf(this.#hub);
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#storage]) {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    }
  }

  /** Requests for the bytes of a file. */
  requestsFor(name: string, host?: 'hub' | 'storage'): Seen[] {
    return this.seen.filter((each) => each.path.endsWith(`/${name}`) && (host === undefined || each.host === host));
  }

  /** The requested ranges of a large file, without the requests for its first byte; null: the whole file. */
  rangesOf(name: string): (string | null)[] {
    return this.requestsFor(name, 'storage')
      .map(({ range }) => range)
      .filter((range) => range !== 'bytes=0-0');
  }

  /** Resolves when a large file is requested. */
  async asked(name: string): Promise<void> {
    while (this.rangesOf(name).length === 0) await delay(10);
  }

  async #answer(host: 'hub' | 'storage', request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', addressOf(this.#hub));
    const path = decodeURIComponent(url.pathname);
    const { range = null, authorization = null } = request.headers;
    this.seen.push({ host, path, range, authorization });
    const trouble = this.#takeTrouble(host, path, range);
    if (trouble?.status !== undefined) {
      response.writeHead(trouble.status, { 'content-type': 'application/json', ...trouble.headers });
      response.end('{"error":"trouble"}');
      return;
    }
    const refuse = (status: number, code: string) => {
      response.writeHead(status, { 'x-error-code': code, 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: code }));
    };
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\/(.+)$/.exec(path);
    const resolve = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path);
    const id = api?.[1] ?? resolve?.[1];
    const known = this.repositories.filter((each) => each.id === id);
    if (known.length === 0) return refuse(authorization === null ? 401 : 404, 'RepoNotFound');
    // A listing may be of a folder: `tree/COMMIT/FOLDER`.
    const [, commit, folder = ''] = /^([0-9a-f]{40})\/(.+)$/.exec(api?.[3] ?? '') ?? [];
    const revision = commit ?? api?.[3] ?? resolve?.[2];
    // The newest commit is main.
    const repository = revision === 'main' ? known.at(-1) : known.find(({ commit }) => commit === revision);
    if (!repository) return refuse(404, 'RevisionNotFound');
    if (api?.[2] === 'revision') return sendJson(response, modelOf(repository));
    if (api) return this.#sendPage(response, url, inFolder(repository, folder));
    const file = repository.files.find(({ name }) => name === resolve?.[3]);
    if (!file) return refuse(404, 'EntryNotFound');
    if (host === 'hub' && repository.gated && authorization !== `Bearer ${token}`)
      return refuse(authorization === null ? 401 : 403, 'GatedRepo');
    if (host === 'hub' && file.large) {
      response.writeHead(302, {
        location: `${addressOf(this.#storage)}${url.pathname}?signature=secret`,
        'x-linked-etag': `"${sha256(file.content)}"`,
        'x-linked-size': String(file.content.length),
        'x-repo-commit': repository.commit,
      });
      response.end();
      return;
    }
    await sendFile(response, file, repository.commit, range, trouble);
  }

  #takeTrouble(host: 'hub' | 'storage', path: string, range: string | null): Trouble | undefined {
    const index = this.troubles.findIndex(
      (each) =>
        path.endsWith(each.path) &&
        (each.host === undefined || each.host === host) &&
        // The request for a file's first byte is not its download.
        (range !== 'bytes=0-0' || (each.status ?? 0) >= 400),
    );
    return index < 0 ? undefined : this.troubles.splice(index, 1)[0];
  }

  #sendPage(response: ServerResponse, url: URL, { files }: FakeRepository): void {
    const start = Number(url.searchParams.get('cursor') ?? 0);
    const end = start + this.pageSize;
    if (end < files.length) {
      url.searchParams.set('cursor', String(end));
      response.setHeader('link', `<${url.href}>; rel="next"`);
    }
    sendJson(response, files.slice(start, end).map(entryOf));
  }
}

/** What a listing of a folder shows: the files in it. */
const inFolder = (repository: FakeRepository, folder: string): FakeRepository => ({
  ...repository,
  files: repository.files.filter(({ name }) => folder === '' || name.startsWith(`${folder}/`)),
});

const addressOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
export const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
const gitHash = (content: Buffer): string =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');

function modelOf({ id, commit, licence, gated = false }: FakeRepository) {
  const cardData = licence === undefined ? {} : { license: licence };
  return {
    _id: 'f00',
    id,
    sha: commit,
    private: false,
    gated: gated ? 'auto' : false,
    lastModified: '2025-01-01',
    cardData,
  };
}

function entryOf({ name, content, large, listed }: FakeFile) {
  // A name that ends in a slash is a folder.
  if (name.endsWith('/')) return { type: 'directory', path: name.slice(0, -1), size: 0, oid: gitHash(content) };
  const size = listed?.size ?? content.length;
  const plain = { type: 'file', path: name, size, oid: large ? gitHash(Buffer.from(name)) : gitHash(content) };
  return large ? { ...plain, lfs: { oid: listed?.hash ?? sha256(content), size, pointerSize: 130 } } : plain;
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

async function sendFile(
  response: ServerResponse,
  { content, large }: FakeFile,
  commit: string,
  range: string | null,
  trouble: Trouble | undefined,
): Promise<void> {
  const asked = trouble?.ignoreRange ? null : /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
  const start = asked ? Number(asked[1]) : 0;
  const end = asked?.[2] ? Number(asked[2]) + 1 : content.length;
  if (asked && start >= content.length && content.length > 0) {
    response.writeHead(416, { 'content-range': `bytes */${content.length}` });
    response.end();
    return;
  }
  const body = content.subarray(start, end);
  response.writeHead(asked ? 206 : 200, {
    etag: `"${large ? 'another-etag' : gitHash(content)}"`,
    'x-repo-commit': commit,
    'content-length': String(body.length),
    ...(asked ? { 'content-range': `bytes ${start}-${end - 1}/${content.length}` } : {}),
  });
  const stop = trouble?.cutAfter ?? trouble?.silentAfter;
  if (stop === undefined) {
    response.end(body);
    return;
  }
  response.write(body.subarray(0, stop));
  if (trouble?.silentAfter !== undefined) return;
  // Time for the sent bytes to arrive: a reset would discard them in the buffers.
  await delay(50);
  response.socket?.destroy();
}

import { listFiles, modelInfo } from '@huggingface/hub';
import { z } from 'zod';
import { UserError } from '../platform/errors.ts';
import type { HubId } from '../platform/model-name.ts';
import { withoutControls } from '../protocol/printable.ts';
import type { HubClient } from './hub-client.ts';
import { adapterConfig } from './model-files.ts';

/** The most files that a folder of a repository may have. The largest models have a few hundred. */
const mostFiles = 10_000;

/** A file of a repository, with the hash of its content. */
export interface RemoteFile {
  /** Its name in its folder. */
  readonly name: string;
  /** Its path in the repository. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the content for large files; otherwise git's hash, `sha1("blob SIZE\0" + content)`. */
  readonly hash: { readonly kind: 'sha256' | 'git-sha1'; readonly hex: string };
}

/** A model's repository at one commit. */
export interface Repository {
  readonly id: string;
  readonly commit: string;
  /** From the header of its card; null: not specified. */
  readonly licence: string | null;
  /** Number of parameters; null if the hub has not counted them. */
  readonly parameters: number | null;
  /** Whether users must accept its terms first. */
  readonly gated: boolean;
  /** The files of the folder that was asked for. */
  readonly files: readonly RemoteFile[];
  /** Paths of the folders in it, of which nothing is downloaded. */
  readonly folders: readonly string[];
}

const details = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  gated: z.union([z.boolean(), z.string()]).optional(),
  cardData: z.object({ license: z.unknown().optional(), license_name: z.unknown().optional() }).nullish(),
  safetensors: z.object({ total: z.number().nonnegative() }).nullish(),
});

/** The commit that a revision currently refers to. */
export async function commitOf(hub: HubClient, { id, revision }: Pick<HubId, 'id' | 'revision'>): Promise<string> {
  return (await detailsOf(hub, { id, revision })).sha;
}

/** Reads a folder of a repository at a revision. All files are downloaded at the commit that this returns. */
export async function readRepository(hub: HubClient, { id, revision, subfolder }: HubId): Promise<Repository> {
  const { sha, gated, cardData, safetensors } = await detailsOf(hub, { id, revision });
  return {
    id,
    commit: sha,
    licence: licenceIn(cardData ?? {}),
    parameters: safetensors?.total ?? null,
    gated: gated !== undefined && gated !== false,
    ...(await contentOf(hub, { id, subfolder }, sha)),
  };
}

async function detailsOf(hub: HubClient, { id, revision }: Pick<HubId, 'id' | 'revision'>) {
  const found = await modelInfo({
    name: id,
    revision: revision ?? 'main',
    additionalFields: ['sha', 'cardData', 'safetensors'],
    hubUrl: hub.settings.endpoint,
    fetch: hub.fetch,
  }).catch((error: unknown) => {
    // The server answered with a web page, so it is not a hub.
    if (error instanceof SyntaxError) return null;
    throw error;
  });
  const parsed = details.safeParse(found);
  if (!parsed.success)
    throw new UserError(`${hub.settings.endpoint} gave no valid description of ${id}; check HF_ENDPOINT and the id.`);
  return parsed.data;
}

async function contentOf(
  hub: HubClient,
  { id, subfolder }: Pick<HubId, 'id' | 'subfolder'>,
  commit: string,
): Promise<Pick<Repository, 'files' | 'folders'>> {
  const files: RemoteFile[] = [];
  const folders: string[] = [];
  const { endpoint: hubUrl } = hub.settings;
  const start = subfolder === null ? '' : `${subfolder}/`;
  const where = subfolder === null ? {} : { path: subfolder };
  for await (const entry of listFiles({ repo: id, revision: commit, hubUrl, fetch: hub.fetch, ...where })) {
    if (files.length >= mostFiles) throw new UserError(`${id} has more than ${mostFiles} files, so it is not a model.`);
    // Only files directly in the folder are used. This also skips names that would leave it.
    const name = entry.path.slice(start.length);
    if (!entry.path.startsWith(start) || !/^[\w][\w.-]*$/.test(name)) continue;
    if (entry.type === 'directory') folders.push(entry.path);
    if (entry.type !== 'file') continue;
    const { size, oid, lfs } = entry;
    const sha256 = lfs?.oid.replace(/^sha256:/, '');
    const hash =
      sha256 === undefined
        ? ({ kind: 'git-sha1', hex: oid ?? '' } as const)
        : ({ kind: 'sha256', hex: sha256 } as const);
    if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash.hex) || !Number.isSafeInteger(size) || size < 0)
      throw new UserError(
        `The hub lists no checksum or size for ${entry.path} of ${id}, so the file cannot be checked; nothing was downloaded.`,
      );
    files.push({ name, path: entry.path, size: lfs?.size ?? size, hash });
  }
  return { files, folders };
}

/** Throws a `UserError` if a folder of a repository holds neither a model nor an adapter, with where to look instead. */
export function assertHoldsModel({ id, files, folders }: Repository, subfolder: string | null): void {
  if (files.some(({ name }) => name === 'config.json' || name === adapterConfig)) return;
  const where = subfolder === null ? id : `The folder ${subfolder} of ${id}`;
  if (folders.length === 0)
    throw new UserError(`${where} has no config.json and no ${adapterConfig}, so it is not a model.`);
  const named = folders.slice(0, 5).join(', ') + (folders.length > 5 ? ', …' : '');
  throw new UserError(
    `${where} holds no model, only ${folders.length === 1 ? 'the folder' : 'the folders'} ${named}; name one of them, as in \`unmask models add ${id}/${folders[0]}\`.`,
  );
}

/** The licence in a card's header: `license`, or `license_name` if `license` is "other". */
export function licenceIn(header: Readonly<{ license?: unknown; license_name?: unknown }>): string | null {
  const { license, license_name: named } = header;
  const licence = license === 'other' && typeof named === 'string' ? named : license;
  const one = Array.isArray(licence) ? licence.join(', ') : licence;
  const words = typeof one === 'string' ? withoutControls(one).replace(/\s+/g, ' ').trim().slice(0, 80) : '';
  return words === '' ? null : words;
}

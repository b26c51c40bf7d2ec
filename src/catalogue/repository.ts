import { listFiles, modelInfo } from '@huggingface/hub';
import { z } from 'zod';
import { UserError } from '../platform/errors.ts';
import type { HubId } from '../platform/model-name.ts';
import { withoutControls } from '../protocol/printable.ts';
import type { HubClient } from './hub-client.ts';

/** The most files that the root of a repository may have. The largest models have a few hundred. */
const mostFiles = 10_000;

/** A file of a repository, with the hash of its content. */
export interface RemoteFile {
  /** Its name in the root of the repository. */
  readonly name: string;
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
  readonly files: readonly RemoteFile[];
  /** Names of the folders in the root, of which nothing is downloaded. */
  readonly folders: readonly string[];
}

const details = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  gated: z.union([z.boolean(), z.string()]).optional(),
  cardData: z.object({ license: z.unknown().optional(), license_name: z.unknown().optional() }).nullish(),
  safetensors: z.object({ total: z.number().nonnegative() }).nullish(),
});

/** The commit that a revision currently refers to. */
export async function commitOf(hub: HubClient, { id, revision }: HubId): Promise<string> {
  return (await detailsOf(hub, { id, revision })).sha;
}

/** Reads the root of a repository at a revision. All files are downloaded at the commit that this returns. */
export async function readRepository(hub: HubClient, { id, revision }: HubId): Promise<Repository> {
  const { sha, gated, cardData, safetensors } = await detailsOf(hub, { id, revision });
  return {
    id,
    commit: sha,
    licence: licenceIn(cardData ?? {}),
    parameters: safetensors?.total ?? null,
    gated: gated !== undefined && gated !== false,
    ...(await contentOf(hub, id, sha)),
  };
}

async function detailsOf(hub: HubClient, { id, revision }: HubId) {
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

async function contentOf(hub: HubClient, id: string, commit: string): Promise<Pick<Repository, 'files' | 'folders'>> {
  const files: RemoteFile[] = [];
  const folders: string[] = [];
  const { endpoint: hubUrl } = hub.settings;
  for await (const entry of listFiles({ repo: id, revision: commit, hubUrl, fetch: hub.fetch })) {
    if (files.length >= mostFiles) throw new UserError(`${id} has more than ${mostFiles} files, so it is not a model.`);
    // Only files in the root are used. This also skips names that would leave the folder.
    if (!/^[\w][\w.-]*$/.test(entry.path)) continue;
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
    files.push({ name: entry.path, size: lfs?.size ?? size, hash });
  }
  return { files, folders };
}

/**
 * Throws a `UserError` if the root of a repository holds no model, with where to look instead. Adapters, and models in sub-folders,
 * are used from a folder.
 */
export function assertHoldsModel({ id, files, folders }: Repository): void {
  const has = (name: string) => files.some((file) => file.name === name);
  if (has('config.json')) return;
  if (has('adapter_config.json'))
    throw new UserError(
      `${id} holds an adapter, and no model with full weights; download it with \`hf download ${id} --local-dir DIR\`, and use it with --model ./DIR.`,
    );
  if (folders.length === 0) throw new UserError(`${id} has no config.json, so it is not a model.`);
  const named = folders.slice(0, 5).join(', ') + (folders.length > 5 ? ', …' : '');
  throw new UserError(
    `${id} has no config.json in its root, only ${folders.length === 1 ? 'the folder' : 'folders'} ${named}; download one with \`hf download ${id} --include '${folders[0]}/*' --local-dir DIR\`, and use the folder with a config.json or an adapter_config.json in it with --model ./DIR/FOLDER.`,
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

import path from 'node:path';
import { z } from 'zod';
import { readJson, writeJson } from '../platform/files.ts';

const fromHub = z.object({
  schema: z.literal(1),
  source: z.literal('hub'),
  /** `owner/name`. */
  id: z.string(),
  /** The requested branch, tag or commit; null: the main branch. */
  revision: z.string().nullable(),
  /** The commit that the revision referred to when the model was added. */
  commit: z.string(),
  addedAt: z.string(),
  files: z.array(z.object({ name: z.string(), size: z.number(), hash: z.string() })),
});

const fromFolder = z.object({
  schema: z.literal(1),
  source: z.literal('folder'),
  folder: z.string(),
  addedAt: z.string(),
});

const fromGguf = z.object({
  schema: z.literal(1),
  source: z.literal('gguf'),
  file: z.string(),
  /** The digest of the GGUF file at the time of the conversion. */
  sha256: z.string(),
  /** The formats of its tensors, ordered by the number of elements, largest first. */
  formats: z.array(z.string()),
  addedAt: z.string(),
});

const origin = z.discriminatedUnion('source', [fromHub, fromFolder, fromGguf]);

/** Where an installed model comes from: `origin.json` in its folder. */
export type Origin = z.infer<typeof origin>;
export type HubOrigin = z.infer<typeof fromHub>;

const fileOf = (folder: string): string => path.join(folder, 'origin.json');

/** Null if `origin.json` is missing or invalid. A model kept from a run has none, for example. */
export async function readOrigin(folder: string): Promise<Origin | null> {
  const value = await readJson(fileOf(folder)).catch(() => null);
  return origin.safeParse(value).data ?? null;
}

export const writeOrigin = (folder: string, value: Origin): Promise<void> => writeJson(fileOf(folder), value);

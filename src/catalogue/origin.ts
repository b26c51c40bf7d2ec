import path from 'node:path';
import { z } from 'zod';
import { readJson, writeJson } from '../platform/files.ts';

const fromHub = z.object({
  schema: z.literal(1),
  source: z.literal('hub'),
  /** `owner/name`. */
  id: z.string(),
  /** What was asked for: a branch, a tag or a commit; null: the main branch. */
  revision: z.string().nullable(),
  /** What that stood for. */
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
  /** Of the file, as it was converted. */
  sha256: z.string(),
  /** Formats of its tensors, the one of the most numbers first. */
  formats: z.array(z.string()),
  addedAt: z.string(),
});

const origin = z.discriminatedUnion('source', [fromHub, fromFolder, fromGguf]);

/** Where an installed model comes from: `origin.json` beside its files. */
export type Origin = z.infer<typeof origin>;
export type HubOrigin = z.infer<typeof fromHub>;

const fileOf = (folder: string): string => path.join(folder, 'origin.json');

/** Null where there is none, or none that can be read: a kept model of a run for example. */
export async function readOrigin(folder: string): Promise<Origin | null> {
  const value = await readJson(fileOf(folder)).catch(() => null);
  return origin.safeParse(value).data ?? null;
}

export const writeOrigin = (folder: string, value: Origin): Promise<void> => writeJson(fileOf(folder), value);

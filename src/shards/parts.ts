import { readdir } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { contentDigest } from '../platform/content-digest.ts';
import { messageOf } from '../platform/errors.ts';
import { exists, readText, writeAtomic } from '../platform/files.ts';
import { exactJson, fromExactJson } from './exact-json.ts';
import { planDigest, rowsOfPart, type ShardPlan } from './plan.ts';

/** The machine that computed a part. Two kinds of machines may round differently. */
export interface Machine {
  readonly processor: string;
  /** Engine and device; null: nothing was computed with a model. */
  readonly device: string | null;
}

/** The rows of a part, and where they were computed. */
export interface Part<Row> {
  readonly rows: readonly Row[];
  readonly machine: Machine;
}

const partSchema = z.looseObject({
  plan: z.string(),
  machine: z.looseObject({ processor: z.string(), device: z.string().nullable() }),
  /** Digest of `rows` as text. */
  digest: z.string(),
  rows: z.array(z.looseObject({ name: z.string(), value: z.unknown() })),
});

const nameOf = (part: number): string => `part-${String(part + 1).padStart(6, '0')}.json`;

/** The file of a part, numbered from 0. */
export const partFile = (folder: string, part: number): string => path.join(folder, nameOf(part));

/** Files in a folder that are named like parts but do not belong to its plan. */
export async function foreignParts(folder: string, count: number): Promise<string[]> {
  const own = new Set(Array.from({ length: count }, (_, part) => nameOf(part)));
  return (await readdir(folder)).filter((name) => /^part-.*\.json$/.test(name) && !own.has(name)).sort();
}

/** Writes a finished part atomically. */
export async function writePart<Row>(
  folder: string,
  plan: ShardPlan,
  part: number,
  { rows, machine }: Part<Row>,
): Promise<void> {
  const names = rowsOfPart(plan, part);
  if (names.length !== rows.length) throw new Error(`Part ${part} has ${rows.length} rows instead of ${names.length}.`);
  const named = exactJson(names.map((name, index) => ({ name, value: rows[index] })));
  const head = JSON.stringify({ plan: planDigest(plan), machine, digest: contentDigest(named) });
  await writeAtomic(partFile(folder, part), `${head.slice(0, -1)},"rows":${named}}\n`);
}

/**
 * Reads a part. `missing`: it is not finished. `damaged`, with the reason: the content is not what was written for this plan.
 */
export async function readPart<Row>(
  folder: string,
  plan: ShardPlan,
  part: number,
  schema: z.ZodType<Row>,
): Promise<Part<Row> | 'missing' | { readonly damaged: string }> {
  const file = partFile(folder, part);
  if (!(await exists(file))) return 'missing';
  let content: unknown;
  try {
    content = fromExactJson(await readText(file));
  } catch (error) {
    return { damaged: messageOf(error) };
  }
  const parsed = partSchema.safeParse(content);
  if (!parsed.success) return { damaged: `its field ${parsed.error.issues[0]!.path.join('.')} is not valid` };
  const { plan: digest, machine, rows } = parsed.data;
  if (digest !== planDigest(plan)) return { damaged: 'it belongs to another plan' };
  const names = rowsOfPart(plan, part);
  if (rows.length !== names.length || rows.some(({ name }, index) => name !== names[index]))
    return { damaged: 'it does not hold exactly the rows of this part' };
  if (contentDigest(exactJson(rows)) !== parsed.data.digest) return { damaged: 'its rows do not match their digest' };
  const values = z.array(schema).safeParse(rows.map(({ value }) => value));
  if (!values.success) return { damaged: `its row ${values.error.issues[0]!.path.join('.')} is not valid` };
  // The parsed values may have their fields in another order.
  return { rows: rows.map(({ value }) => value as Row), machine };
}

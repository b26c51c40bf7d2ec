import { createHash } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import { cpus } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { dataHome, exists, readJson, writeJson } from '../platform/files.ts';
import { packageVersion } from '../platform/package-root.ts';
import { type Precision, precisions } from './precision.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';
import type { Smoothing } from './smoothing.ts';
import { weightFiles } from './stored-weights.ts';

/** How a model's weights are kept while it is served. */
export interface ServingPrecision {
  readonly precision: Precision;
  /** Factors of its projections' inputs; absent: inputs are not smoothed. */
  readonly smoothing?: Smoothing;
}

/** A form of a model next to its f32 weights, on the same text and machine. */
export interface PrecisionRow {
  /** A precision, with `+smooth` where its inputs are smoothed. */
  readonly form: string;
  /** Mean Kullback-Leibler divergence from the f32 model's predictions, in nats. */
  readonly kl: number;
  /** Share of places where the likeliest token is the f32 model's. */
  readonly agreement: number;
  /** Median milliseconds of a pass over the text. */
  readonly milliseconds: number;
}

export interface PrecisionCheck {
  readonly rows: readonly PrecisionRow[];
  readonly chosen: string;
}

const checkSchema = z.object({
  key: z.string(),
  rows: z.array(z.object({ form: z.string(), kl: z.number(), agreement: z.number(), milliseconds: z.number() })),
  chosen: z.string(),
});

const smooth = '+smooth';

/** The name of a form, and the form of a name. */
export const formName = ({ precision, smoothing }: ServingPrecision): string =>
  smoothing ? `${precision}${smooth}` : precision;

/**
 * The form that a check chose for the weights in `folder` on this machine; f32 where they were not checked here, have been
 * replaced since, or the record is damaged.
 */
export async function readServingPrecision(folder: string): Promise<ServingPrecision> {
  const plain: ServingPrecision = { precision: 'f32' };
  const place = await placeOf(folder);
  if (!(await exists(place.check))) return plain;
  const check = checkSchema.safeParse(await readJson(place.check).catch(() => null)).data;
  if (check?.key !== place.key) return plain;
  const precision = precisions.find((one) => one === check.chosen.replace(smooth, ''));
  if (precision === undefined) return plain;
  if (!check.chosen.endsWith(smooth)) return { precision };
  const smoothing = await readSafetensors(place.smoothing).catch(() => null);
  return smoothing ? { precision, smoothing } : plain;
}

/** Keeps what a check found, for `readServingPrecision`. */
export async function keepServingPrecision(folder: string, check: PrecisionCheck, smoothing: Smoothing): Promise<void> {
  const place = await placeOf(folder);
  await writeSafetensors(place.smoothing, smoothing);
  await writeJson(place.check, { key: place.key, ...check });
}

/** The record of a folder, and what it depends on: the weights as they are on disk, this program, this processor. */
async function placeOf(folder: string): Promise<{ key: string; check: string; smoothing: string }> {
  const whole = await realpath(folder);
  const files = await Promise.all(
    (await weightFiles(folder)).map(async (file) => {
      const { size, mtimeMs } = await stat(file);
      return [path.basename(file), size, mtimeMs];
    }),
  );
  const key = JSON.stringify([files, packageVersion(), cpus()[0]?.model, cpus().length]);
  const name = createHash('sha256').update(whole).digest('hex').slice(0, 16);
  const record = path.join(dataHome(), 'cache', 'precision', name);
  return { key, check: path.join(record, 'check.json'), smoothing: path.join(record, 'smoothing.safetensors') };
}

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

/** The precision of the weights of a model while it is served. */
export interface ServingPrecision {
  readonly precision: Precision;
  /** Factors for the inputs of projections; undefined: inputs are not smoothed. */
  readonly smoothing?: Smoothing;
}

/** Compares a serving precision with f32, on the same text and machine. */
export interface PrecisionRow {
  /** The name of a precision, with `+smooth` if inputs are smoothed. */
  readonly form: string;
  /** Mean Kullback-Leibler divergence from the f32 model's predictions, in nats. */
  readonly kl: number;
  /** Fraction of positions where the most likely token is that of the f32 model. */
  readonly agreement: number;
  /** Median time of a forward pass over the text, in milliseconds. */
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

/** The name of a serving precision, as in `PrecisionRow`. */
export const formName = ({ precision, smoothing }: ServingPrecision): string =>
  smoothing ? `${precision}${smooth}` : precision;

/**
 * Reads the serving precision that a check chose for the weights in `folder` on this machine. Returns f32 if they were not
 * checked on this machine, have changed since the check, or the record is damaged.
 */
export async function readServingPrecision(folder: string): Promise<ServingPrecision> {
  const plain: ServingPrecision = { precision: 'f32' };
  const location = await cacheFilesOf(folder);
  if (!(await exists(location.check))) return plain;
  const check = checkSchema.safeParse(await readJson(location.check).catch(() => null)).data;
  if (check?.key !== location.key) return plain;
  const precision = precisions.find((one) => one === check.chosen.replace(smooth, ''));
  if (precision === undefined) return plain;
  if (!check.chosen.endsWith(smooth)) return { precision };
  const smoothing = await readSafetensors(location.smoothing).catch(() => null);
  return smoothing ? { precision, smoothing } : plain;
}

/** Stores the result of a check for `readServingPrecision`. */
export async function keepServingPrecision(folder: string, check: PrecisionCheck, smoothing: Smoothing): Promise<void> {
  const location = await cacheFilesOf(folder);
  await writeSafetensors(location.smoothing, smoothing);
  await writeJson(location.check, { key: location.key, ...check });
}

/** The paths of the record of a folder, and a key made of the weight files, the version of Unmask and the processor. */
async function cacheFilesOf(folder: string): Promise<{ key: string; check: string; smoothing: string }> {
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

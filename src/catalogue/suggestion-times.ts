import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { cpus } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { dataHome, readJson, writeJson } from '../platform/files.ts';
import { packageVersion } from '../platform/package-root.ts';

/** The median time of a suggestion by a model. `machine`: the version of Unmask and the processor on which it was measured. */
const record = z.object({ machine: z.string(), milliseconds: z.number().positive() });

/**
 * Reads how many milliseconds a suggestion by the model in `folder` takes on this machine: the median that the runtime or
 * `unmask models check` measured last. Null if it was not measured on this machine with this version.
 */
export async function readSuggestionTime(folder: string): Promise<number | null> {
  const found = record.safeParse(await readJson(await fileOf(folder)).catch(() => null)).data;
  return found?.machine === machine() ? found.milliseconds : null;
}

export async function keepSuggestionTime(folder: string, milliseconds: number): Promise<void> {
  await writeJson(await fileOf(folder), { machine: machine(), milliseconds: Math.max(1, Math.round(milliseconds)) });
}

const machine = (): string => `${packageVersion()} on ${cpus().length} x ${cpus()[0]?.model}`;

async function fileOf(folder: string): Promise<string> {
  const name = createHash('sha256')
    .update(await realpath(folder))
    .digest('hex');
  return path.join(dataHome(), 'cache', 'suggestion-times', `${name.slice(0, 16)}.json`);
}

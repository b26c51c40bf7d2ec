import { randomUUID } from 'node:crypto';
import { cp, mkdir, rename, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { writeAtomic } from '../platform/files.ts';
import { digestsFile, recordDigests } from '../platform/folder-digests.ts';
import { baseOf } from '../runs/checkpoints.ts';
import { copyRecordedSplit } from '../runs/recorded-split.ts';

/** Files of a checkpoint that only training needs. */
const trainingFiles = ['optimizer.safetensors', 'method.safetensors', 'state.json', baseOf, digestsFile];

/** Copies a checkpoint to `output` with a card and without the files that only training needs. */
export function publishModel(checkpoint: string, output: string, card: string): Promise<void> {
  return inNewFolder(output, async (temporary) => {
    await cp(checkpoint, temporary, {
      recursive: true,
      filter: (source) => !trainingFiles.includes(path.basename(source)),
    });
    await copyRecordedSplit(checkpoint, temporary);
    await writeAtomic(path.join(temporary, 'README.md'), card);
  });
}

/**
 * Calls `write` to fill a temporary folder, which becomes `output` when it is complete. The folder gets a record of the
 * digests of its files, except its card, which users may edit.
 */
export async function inNewFolder(output: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${output}.${randomUUID()}.tmp`;
  await mkdir(path.dirname(output), { recursive: true });
  try {
    await write(temporary);
    await recordDigests(temporary, ['README.md']);
    // An empty folder at `output` is replaced. A folder with content is not, and the rename fails.
    await rmdir(output).catch(() => undefined);
    await rename(temporary, output);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

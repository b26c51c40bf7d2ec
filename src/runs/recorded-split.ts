import path from 'node:path';
import * as z from 'zod';
import { writeJson } from '../platform/files.ts';
import type { RowSplit } from '../protocol/row-split.ts';
import { runFile } from './layout.ts';
import { readRecordIfThere } from './read-record.ts';
import { rowSplitSchema } from './records.ts';

/** The split of a tuned model's data, in the folder of a model that was kept. */
const splitFile = 'split.json';

const configuration = z.looseObject({ split: z.exactOptional(rowSplitSchema) });

/** How the data that a model was tuned on were split: as its folder or its run says; null if nothing says so. */
export async function recordedSplit(model: string): Promise<RowSplit | null> {
  const kept = await readRecordIfThere(path.join(model, splitFile), rowSplitSchema);
  if (kept) return kept;
  const run = path.dirname(path.dirname(model));
  if (path.dirname(model) !== runFile(run).checkpoints) return null;
  return (await readRecordIfThere(runFile(run).configuration, configuration))?.split ?? null;
}

/** Copies what `recordedSplit` finds for a model to the folder of a copy of that model. */
export async function copyRecordedSplit(model: string, copy: string): Promise<void> {
  const split = await recordedSplit(model);
  if (split) await writeJson(path.join(copy, splitFile), split);
}

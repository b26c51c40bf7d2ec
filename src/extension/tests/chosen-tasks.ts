import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { count } from '../../platform/amounts.ts';
import { contentDigest } from '../../platform/content-digest.ts';
import { UserError } from '../../platform/errors.ts';
import { writeAtomic } from '../../platform/files.ts';
import type { DiscoveryDocument, FoundTask } from '../../protocol/discovery.ts';
import { type RowPart, splitByContent } from '../../protocol/row-split.ts';

/** Identifies a function of a workspace across discoveries. */
export const taskName = ({ file, function: name }: FoundTask): string => `${file} ${name}`;

/** Indices of the tasks of a discovery, grouped by file; files by name, functions by line. */
export function tasksByFile({ tasks }: DiscoveryDocument): Map<string, number[]> {
  const indices = tasks.map((_, index) => index);
  indices.sort((a, b) => {
    const [one, other] = [tasks[a] as FoundTask, tasks[b] as FoundTask];
    return one.file === other.file ? one.line - other.line : one.file < other.file ? -1 : 1;
  });
  const byFile = new Map<string, number[]>();
  for (const index of indices) {
    const { file } = tasks[index] as FoundTask;
    byFile.set(file, [...(byFile.get(file) ?? []), index]);
  }
  return byFile;
}

/** What a run on the chosen tasks uses each of them for, by index. */
export function partsOf({ tasks }: Pick<DiscoveryDocument, 'tasks'>, chosen: readonly number[]): Map<number, RowPart> {
  // A document of an earlier version has no keys. Before a run the functions are found again, and then it has them.
  const keys = chosen.map((index) => tasks[index]?.keys ?? [contentDigest(taskName(tasks[index] as FoundTask))]);
  const parts = splitByContent(keys);
  return new Map(chosen.map((index, at) => [index, parts[at] as RowPart]));
}

/** The text that the tree and the picker append for a held-out function; empty for one that is trained on. */
export const partText = (part: RowPart | undefined): string =>
  part === undefined || part === 'training' ? '' : ` · held out for ${part === 'test' ? 'testing' : 'validation'}`;

/** "3 tests", with the number of files if there are several. */
export function testCountText({ tests }: FoundTask): string {
  const files = Object.keys(tests).length;
  return `${count(Object.values(tests).flat().length, 'test')}${files > 1 ? ` in ${files} files` : ''}`;
}

/**
 * The file with the rows of the chosen tasks: the discovery's own file if all tasks are chosen, else a new one next to it,
 * named by its content. Throws a `UserError` if the discovery was deleted.
 */
export async function writeChosen(found: DiscoveryDocument, chosen: readonly number[]): Promise<string> {
  const text = await readFile(found.data, 'utf8').catch(() => {
    throw new UserError(
      `The functions found in ${found.workspace} were deleted (${found.data}). Run Unmask: Find Functions Covered by Tests again.`,
    );
  });
  if (chosen.length === found.tasks.length) return found.data;
  const rows = text.split('\n');
  const picked = [...chosen].sort((a, b) => a - b).map((index) => `${rows[index]}\n`);
  const name = createHash('sha256').update(picked.join('')).digest('hex').slice(0, 12);
  const file = path.join(found.dir, `chosen-${name}.jsonl`);
  await writeAtomic(file, picked.join(''));
  return file;
}

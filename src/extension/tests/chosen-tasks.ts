import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../platform/errors.ts';
import { writeAtomic } from '../../platform/files.ts';
import { type DiscoveryDocument, type FoundTask, isHeldOut } from '../../protocol/discovery.ts';

/** Names a function among those of its workspace, from one discovery to the next. */
export const taskName = ({ file, function: name }: FoundTask): string => `${file} ${name}`;

/** Places of the tasks in a discovery, by file; files and functions in the order in which people read them. */
export function tasksByFile({ tasks }: DiscoveryDocument): Map<string, number[]> {
  const places = tasks.map((_, place) => place);
  places.sort((a, b) => {
    const [one, other] = [tasks[a] as FoundTask, tasks[b] as FoundTask];
    return one.file === other.file ? one.line - other.line : one.file < other.file ? -1 : 1;
  });
  const byFile = new Map<string, number[]>();
  for (const place of places) {
    const { file } = tasks[place] as FoundTask;
    byFile.set(file, [...(byFile.get(file) ?? []), place]);
  }
  return byFile;
}

/** Places of the chosen tasks that a run on them holds out: those are measured, and not tuned on. */
export function heldOutOf(chosen: readonly number[]): Set<number> {
  return new Set([...chosen].sort((a, b) => a - b).filter((_, index) => isHeldOut(index)));
}

/** "3 tests", and in how many files where there are several. */
export function guardsText({ tests }: FoundTask): string {
  const count = Object.values(tests).flat().length;
  const files = Object.keys(tests).length;
  return `${count} test${count === 1 ? '' : 's'}${files > 1 ? ` in ${files} files` : ''}`;
}

/**
 * The file of rows of the chosen tasks: the discovery's own where all are chosen, else one beside it, named after what it
 * holds. Throws a `UserError` where the discovery was deleted.
 */
export async function writeChosen(found: DiscoveryDocument, chosen: readonly number[]): Promise<string> {
  const text = await readFile(found.data, 'utf8').catch(() => {
    throw new UserError(`What was found in ${found.workspace} is gone (${found.data}); find its functions anew.`);
  });
  if (chosen.length === found.tasks.length) return found.data;
  const rows = text.split('\n');
  const picked = [...chosen].sort((a, b) => a - b).map((place) => `${rows[place]}\n`);
  const name = createHash('sha256').update(picked.join('')).digest('hex').slice(0, 12);
  const file = path.join(found.dir, `chosen-${name}.jsonl`);
  await writeAtomic(file, picked.join(''));
  return file;
}

import path from 'node:path';
import { CopyIndex } from '../copies/copy-index.ts';
import { type CopyCandidate, findCopies } from '../copies/find-copies.ts';
import { importedFiles, inSameFolder } from '../copies/near-files.ts';
import { buildSegment, groupsOf, type IndexedText } from '../copies/segment.ts';
import { indexName, listTexts, readText } from '../copies/workspace-texts.ts';
import type { InfillingItem } from '../infilling/infilling.ts';
import type { WorkspaceAnswer } from '../infilling/workspace-comparison.ts';
import type { SuggestionGate } from '../model/generation.ts';
import { UserError } from '../platform/errors.ts';
import type { TracedAlternative } from '../protocol/runtime.ts';
import { importsOf } from '../syntax/imports.ts';
import { languageOf } from '../syntax/trees.ts';
import type { JudgedGap } from './alternative-judge.ts';
import { chooseSuggestions } from './choose-suggestions.ts';

/** The texts of a folder as `unmask serve` would index them. Throws a `UserError` if it has no source file. */
export async function workspaceTexts(folder: string): Promise<IndexedText[]> {
  const { files, problems } = await listTexts([path.resolve(folder)]);
  const texts: IndexedText[] = [];
  for (const { name } of files) {
    const text = await readText(name);
    if (text) texts.push({ name, text: text.text.replaceAll('\r\n', '\n') });
  }
  if (!texts.some(({ name }) => languageOf(name) !== null))
    throw new UserError(problems[0] ?? `${folder} contains no readable source file; give a folder with source code.`);
  return texts.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function indexOf(texts: readonly IndexedText[]): CopyIndex {
  const index = new CopyIndex();
  for (const group of groupsOf(texts)) index.add(buildSegment(group));
  return index;
}

/** The gap of an item in its file, on a single line. */
export const gapOf = ({ language, prefix, suffix }: InfillingItem): JudgedGap => ({
  languageId: language,
  text: { prefix, suffix },
  singleLine: true,
});

/** The copies for an item, from all files of its workspace and from its own file without the middle. */
export async function copiesFor(index: CopyIndex, item: InfillingItem): Promise<CopyCandidate[]> {
  const { prefix, middle, suffix, language, file = '' } = item;
  const name = indexName(file);
  const imported = importedFiles(name, await importsOf(language, prefix + middle + suffix), (one) => index.has(one));
  const isNear = (one: string): boolean => imported.has(one) || inSameFolder(one, name);
  return findCopies(index, { name, prefix, suffix, singleLine: true, isNear });
}

/** What an editor shows first of some copies and alternatives, however unlikely it is. */
export function answerOf(
  item: InfillingItem,
  copies: readonly CopyCandidate[],
  alternatives: readonly TracedAlternative[] | null,
  milliseconds: number,
  gate?: SuggestionGate,
): WorkspaceAnswer {
  const [first] = chooseSuggestions(gapOf(item), { copies, alternatives, threshold: 0, gate });
  // An answer that breaks a rule is never shown, but counts as the method's answer.
  return {
    text: first?.text ?? '',
    probability: first?.discardedBy === null ? (first.probability ?? 0) : 0,
    milliseconds,
  };
}

import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { CopyIndex } from '../copies/copy-index.ts';
import type { IndexedText } from '../copies/segment.ts';
import type { InfillingItem } from '../infilling/infilling.ts';
import { isRight } from '../infilling/workspace-comparison.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { readText } from '../platform/files.ts';
import { packageRoot } from '../platform/package-root.ts';
import type { WorkContext } from '../runs/run-job.ts';
import { alternativesOnce } from '../runtime/complete-once.ts';
import { answerOf, copiesFor, gapOf } from '../runtime/workspace-answers.ts';
import { languageOf } from '../syntax/trees.ts';
import { infillingItems } from '../training/code/infilling-items.ts';

/** Characters of the longest file in which gaps are made. */
const longest = 100_000;

/** Gaps at the ends of lines of some files; fewer than `count` if the files have not so many. */
export const gapsIn = (files: readonly IndexedText[], count: number, seed: number): Promise<InfillingItem[]> =>
  infillingItems(
    files
      .filter(({ name, text }) => languageOf(name) !== null && text.length <= longest)
      .map(({ name, text }) => ({ package: '', path: name, text })),
    ['line'],
    count,
    seed,
  );

/**
 * Whether what an editor shows first in each gap, of copies and the model, is right. Without an index there are no copies.
 *
 * @param what names the measurement in the progress
 */
export async function rightAnswers(
  model: LanguageModel,
  items: readonly InfillingItem[],
  index: CopyIndex | null,
  what: string,
  { signal, reportProgress }: WorkContext,
): Promise<boolean[]> {
  const begin = performance.now();
  const right: boolean[] = [];
  for (const item of items) {
    signal.throwIfAborted();
    const done = right.length;
    const left = done === 0 ? null : ((performance.now() - begin) / 1000 / done) * (items.length - done);
    const counts = [{ name: 'gaps', done, total: items.length }];
    reportProgress({ text: `${what}: gaps ${done} of ${items.length}`, counts, eta: left });
    const copies = index ? await copiesFor(index, item) : [];
    const { text } = answerOf(
      item,
      copies,
      await alternativesOnce(model, gapOf(item)),
      0,
      model.generation.suggestion_gate,
    );
    right.push(isRight(text, item.middle));
  }
  return right;
}

/** Code that is not of the workspace: the programs that come with Unmask and run tests. They show what a model forgets. */
export async function otherCode(): Promise<IndexedText[]> {
  const folder = path.join(packageRoot(), 'harness');
  const names = (await readdir(folder)).filter((name) => languageOf(name) !== null).sort();
  return Promise.all(names.map(async (name) => ({ name, text: await readText(path.join(folder, name)) })));
}

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { LanguageModel } from '../model/language-model.ts';
import { packageRoot } from '../platform/package-root.ts';
import { alternativesOnce } from './complete-once.ts';

/** Suggestions that are timed. If the first takes longer than `longest` milliseconds, the others are left out. */
const timed = 3;
const longest = 5000;

/**
 * Measures the median time of a suggestion in milliseconds, each with a new context: the rest of a line in the program's own
 * coding problems. The first suggestion, which compiles programs, does not count unless it is the only one.
 */
export async function timeSuggestion(model: LanguageModel, signal?: AbortSignal): Promise<number> {
  const text = await readFile(path.join(packageRoot(), 'problems', 'validation', 'times.txt'), 'utf8');
  const lines = [...text.matchAll(/^ {2}return .+$/gm)];
  const times: number[] = [];
  for (const { index } of lines.slice(-1 - timed)) {
    signal?.throwIfAborted();
    const cursor = index + '  return '.length;
    const end = text.indexOf('\n', cursor);
    const gap = { prefix: text.slice(0, cursor), suffix: text.slice(end) };
    const begin = performance.now();
    await alternativesOnce(model, { languageId: 'typescript', text: gap, singleLine: true });
    times.push(performance.now() - begin);
    if ((times[0] as number) > longest) break;
  }
  const counted = times.length > 1 ? times.slice(1) : times;
  return counted.sort((a, b) => a - b)[Math.floor(counted.length / 2)] as number;
}

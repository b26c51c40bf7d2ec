import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../../platform/package-root.ts';
import type { CodeRow } from './row.ts';

/** A problem of the bundled set and its kind; whole kinds are held out. */
export interface ShippedProblem extends CodeRow {
  readonly kind: string;
  readonly solution: string;
}

export type ProblemSplit = 'training' | 'validation' | 'test';

const splits = new Map<ProblemSplit, ShippedProblem[]>();

/** The bundled problems of a split in a fixed order: one file per kind in `problems/SPLIT/`. */
export function problemsOf(split: ProblemSplit): ShippedProblem[] {
  let problems = splits.get(split);
  if (!problems) {
    const folder = path.join(packageRoot(), 'problems', split);
    const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));
    problems = files
      .sort()
      .flatMap((name) => parseProblems(readFileSync(path.join(folder, name), 'utf8'), path.basename(name, '.txt')));
    splits.set(split, problems);
  }
  return problems;
}

/**
 * Parses a file of problems. A problem is a line `=== NAME`, the code before the body, a line `---`, the body, another line
 * `---`, and the tests. The format is meant to be read and edited by people.
 */
export function parseProblems(text: string, kind: string): ShippedProblem[] {
  return text
    .split(/^=== /m)
    .slice(1)
    .map((problem) => {
      const [name = '', ...lines] = problem.split('\n');
      const [prompt, solution, tests, ...more] = lines.join('\n').split(/^---\n/m);
      if (prompt === undefined || solution === undefined || tests === undefined || more.length > 0)
        throw new Error(`the problem ${name} of ${kind} does not have three parts`);
      return { kind, prompt, solution, tests: tests.trimEnd(), entry_point: name.trim(), language: 'typescript' };
    });
}

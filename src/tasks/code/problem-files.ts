import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../../platform/package-root.ts';
import type { CodeRow } from './row.ts';

/** A problem of the set that is shipped, and what kind it is: whole kinds are held out. */
export interface ShippedProblem extends CodeRow {
  readonly kind: string;
  readonly solution: string;
}

export type ProblemSplit = 'training' | 'validation' | 'test';

const splits = new Map<ProblemSplit, ShippedProblem[]>();

/** The shipped problems of a split, always in the same order: a file per kind in `problems/SPLIT/`. */
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
 * Reads a file of problems: each has its name behind `=== `, the code up to the body, the body behind `---`, and the
 * tests behind another `---`. Made for people who read and write it; a row is made of it here.
 */
export function parseProblems(text: string, kind: string): ShippedProblem[] {
  return text
    .split(/^=== /m)
    .slice(1)
    .map((problem) => {
      const [name = '', ...lines] = problem.split('\n');
      const [prompt, solution, tests, ...more] = lines.join('\n').split(/^---\n/m);
      if (prompt === undefined || solution === undefined || tests === undefined || more.length > 0)
        throw new Error(`the problem ${name} of ${kind} has not three parts`);
      return { kind, prompt, solution, tests: tests.trimEnd(), entry_point: name.trim(), language: 'typescript' };
    });
}

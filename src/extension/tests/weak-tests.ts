import type { DryRunFunction, FoundTask, TestStrength } from '../../protocol/discovery.ts';

/** A function whose tests notice less than half of its small changes. */
export interface WeakFunction {
  readonly file: string;
  readonly function: string;
  /** Its first line, from 1. */
  readonly line: number;
  readonly strength: TestStrength;
}

/**
 * The functions with weak tests after a dry run. Functions that the dry run did not cover keep their earlier result, as long as they are
 * among the tasks.
 */
export function weakFunctions(
  earlier: readonly WeakFunction[],
  dryRun: readonly DryRunFunction[],
  tasks: readonly FoundTask[],
): WeakFunction[] {
  const isSame = (a: Named) => (b: Named) => a.file === b.file && a.function === b.function;
  const kept = earlier.filter((weak) => tasks.some(isSame(weak)) && !dryRun.some(isSame(weak)));
  const found = dryRun.flatMap(({ file, function: name, line, strength }) =>
    strength && strength.tried > 0 && 2 * strength.caught < strength.tried
      ? [{ file, function: name, line, strength }]
      : [],
  );
  return [...kept, ...found].sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
}

type Named = Pick<WeakFunction, 'file' | 'function'>;

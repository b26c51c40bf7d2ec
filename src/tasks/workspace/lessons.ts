import { functionParts, partKinds } from '../../syntax/function-parts.ts';
import type { Lessons, Level, ScoringOptions } from '../task.ts';
import type { WorkspaceRow } from './row.ts';
import { testStrengths, testWeight, weakTests } from './test-strength.ts';

/** Maximum number of parts of a kind that are cut from one function. */
const mostParts = 4;

/**
 * Training problems of functions, from small to large: expressions, lines, statements and pairs of lines of their bodies,
 * then whole bodies. A function whose tests notice none of its mutants is left out, because they cannot distinguish right
 * from wrong. If they notice fewer than half of the mutants, passing them gives a smaller reward.
 */
export async function lessons(
  rows: readonly WorkspaceRow[],
  options: ScoringOptions = {},
): Promise<Lessons<WorkspaceRow>> {
  const strengths = await testStrengths(rows, options);
  const weighted = rows.flatMap((row, index) => {
    const weight = testWeight(strengths[index]!);
    return weight === 0 ? [] : [weight === 1 ? row : { ...row, testWeight: weight }];
  });
  const parts = (await Promise.all(weighted.map(cut))).flat();
  const levels: Level<WorkspaceRow>[] = [
    ...partKinds.map((kind) => ({ name: kind, rows: parts.filter(({ part }) => part === kind) })),
    { name: 'body', rows: weighted },
  ];
  return {
    levels: levels.filter((level) => level.rows.length > 0),
    findings: rows.flatMap((row, index) => weakTests(row, strengths[index]!) ?? []),
  };
}

/** Problems whose completion is a part of the function's body. */
async function cut(row: WorkspaceRow): Promise<WorkspaceRow[]> {
  const { language, prefix, body, suffix } = row;
  const text = `${prefix}${body}${suffix}`;
  const range = { start: prefix.length, end: prefix.length + body.length };
  return (await functionParts(language, text, range, mostParts)).map(({ kind, start, end }) => ({
    ...row,
    part: kind,
    prefix: text.slice(0, start),
    body: text.slice(start, end),
    suffix: text.slice(end),
  }));
}

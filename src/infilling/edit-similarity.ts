/**
 * Edit similarity of two texts, from 0 to 1: 1 - (Levenshtein distance) / (length of the longer), in code points,
 * including white space. Two empty texts have the similarity 1.
 */
export function editSimilarity(one: string, other: string): number {
  const [a, b] = [[...one], [...other]];
  const longer = Math.max(a.length, b.length);
  return longer === 0 ? 1 : 1 - distance(a, b) / longer;
}

/** The minimum number of insertions, deletions and substitutions (V. I. Levenshtein, 1966). */
function distance(a: readonly string[], b: readonly string[]): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [index, character] of a.entries()) {
    const next = [index + 1];
    for (const [column, other] of b.entries())
      next.push(
        Math.min(
          (row[column] as number) + Number(character !== other),
          (row[column + 1] as number) + 1,
          (next[column] as number) + 1,
        ),
      );
    row = next;
  }
  return row.at(-1) as number;
}

import type { TextEdit } from '../../../src/protocol/text-edit.ts';

/** Pairs of pieces that are compared at most; texts with more differences have no small edits. */
const mostPairs = 20_000_000;
/** Edits of one run of lines above which the lines were rewritten, and are one edit. */
const mostOfLines = 8;

/**
 * The edits that make one text of another, in order of their places in the first one: lines are compared first, and then the words and
 * characters of lines that differ. Changes next to each other are one edit. Changes of white space alone are left out. Empty if the texts
 * have too little in common.
 */
export function smallEdits(before: string, after: string): TextEdit[] {
  const lines = differences(before.split(/(?<=\n)/), after.split(/(?<=\n)/)) ?? [];
  return lines.flatMap((run) => {
    const old = before.slice(run.start, run.end);
    const words = old === '' || run.text === '' ? null : differences(wordsOf(old), wordsOf(run.text));
    const isRewritten = words === null || words.length > mostOfLines * old.split('\n').length;
    const edits = isRewritten ? [{ ...run, start: 0, end: old.length }] : joined(words, old);
    return edits
      .map(({ start, end, text }) => ({ start: run.start + start, end: run.start + end, text }))
      .filter((edit) => withoutSpace(before.slice(edit.start, edit.end)) !== withoutSpace(edit.text));
  });
}

const withoutSpace = (text: string): string => text.replace(/\s+/g, '');

/** A text in words, white space and single characters. */
const wordsOf = (text: string): string[] => text.match(/[\p{L}\p{N}_$]+|[^\S\n]+|\n|[\s\S]/gu) ?? [];

/** Edits with only white space between them are one. */
function joined(edits: readonly TextEdit[], text: string): TextEdit[] {
  const result: TextEdit[] = [];
  for (const edit of edits) {
    const last = result.at(-1);
    const between = last && text.slice(last.end, edit.start);
    if (last && between !== undefined && /^[^\S\n]*$/.test(between))
      result[result.length - 1] = { start: last.start, end: edit.end, text: last.text + between + edit.text };
    else result.push(edit);
  }
  return result;
}

/** The runs of pieces that differ, by the longest common subsequence, as edits of the first text; null if there is too much to compare. */
function differences(old: readonly string[], now: readonly string[]): TextEdit[] | null {
  let first = 0;
  while (first < old.length && first < now.length && old[first] === now[first]) first++;
  let rest = 0;
  while (rest < old.length - first && rest < now.length - first && old.at(-1 - rest) === now.at(-1 - rest)) rest++;
  const [n, m] = [old.length - first - rest, now.length - first - rest];
  if (n * m > mostPairs) return null;
  // common[i * (m + 1) + j]: pieces in common from old piece i and new piece j on.
  const common = new Uint16Array((n + 1) * (m + 1));
  for (let i = n - 1; i >= 0; i--)
    for (let j = m - 1; j >= 0; j--)
      common[i * (m + 1) + j] =
        old[first + i] === now[first + j]
          ? common[(i + 1) * (m + 1) + j + 1]! + 1
          : Math.max(common[(i + 1) * (m + 1) + j]!, common[i * (m + 1) + j + 1]!);
  const edits: TextEdit[] = [];
  let at = old.slice(0, first).join('').length;
  let edit: { start: number; end: number; text: string } | null = null;
  for (let [i, j] = [0, 0]; i < n || j < m; ) {
    if (i < n && j < m && old[first + i] === now[first + j]) {
      if (edit) edits.push(edit);
      edit = null;
      at += old[first + i]!.length;
      i++;
      j++;
      continue;
    }
    edit ??= { start: at, end: at, text: '' };
    if (j === m || (i < n && common[(i + 1) * (m + 1) + j]! >= common[i * (m + 1) + j + 1]!)) {
      at += old[first + i]!.length;
      edit.end = at;
      i++;
    } else edit.text += now[first + j++]!;
  }
  if (edit) edits.push(edit);
  return edits;
}

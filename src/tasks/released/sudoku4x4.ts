import type { Grade } from '../task.ts';

/**
 * The places in which the released evaluator looks for a grid, in its order; the first that is not blank is used. It
 * searches a fence from the first `<answer>` on, even after the closing tag.
 */
const readings: readonly ((text: string) => string | undefined)[] = [
  (text) => {
    const start = text.indexOf('<answer>');
    return start < 0 ? undefined : text.slice(start).match(/```([\d\s]+)```/)?.[1];
  },
  (text) => {
    const start = text.indexOf('<answer>');
    if (start < 0) return undefined;
    const inside = text.slice(start + '<answer>'.length);
    const end = inside.search(/<\|eot_id\|>|<\|endoftext\|>|<\/answer>/);
    return end < 0 ? undefined : inside.slice(0, end);
  },
  (text) => {
    const start = text.indexOf('</answer>');
    return start < 0 ? undefined : text.slice(start + '</answer>'.length).split(/<\|eot_id\|>|<\|endoftext\|>/, 1)[0];
  },
  (text) => text.match(/(\d{16})\s*<\/answer>/)?.[1],
  (text) => text.match(/(?<![\p{L}\p{N}_])\d{16}(?![\p{L}\p{N}_])/u)?.[0],
];

/**
 * The Sudoku part of the released evaluator of SPG and d1 (`eval/parse_and_get_acc.py`): white space is removed, the
 * rest padded with 0 or cut to 16 characters of any kind, and the empty cells that equal the solution counted.
 */
export function gradeSudokuAsReleased(
  completion: string,
  empty: readonly number[],
  solutions: readonly string[],
): Grade {
  const text = readings.map((read) => read(completion)?.trim()).find((found) => found) ?? '';
  const characters = [...text.replace(/\s/g, '')];
  const filled = characters.length === 0 ? null : [...characters, ...'0'.repeat(16)].slice(0, 16);
  const right = Math.max(
    0,
    0,
    ...solutions.map((solution) => empty.filter((cell) => filled?.[cell] === solution[cell]).length),
  );
  const correct = empty.length > 0 && right === empty.length;
  return {
    correct,
    extracted: filled?.join('') ?? null,
    scores: {
      cell_accuracy: { value: right, weight: empty.length },
      solved: { value: Number(correct), weight: 1 },
    },
  };
}

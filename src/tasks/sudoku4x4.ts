import { z } from 'zod';
import { UsageError, UserError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import { answerTags, lastBoxed, lastFenced, ownAnswer, taggedAnswer, unwrapped, withLineEnds } from './answer-text.ts';
import { checkedOptions, checkedRow } from './checked.ts';
import { gradeSudokuAsReleased } from './released/sudoku4x4.ts';
import { perCompletion } from './scorer.ts';
import { grids, shots, solutionsOf, split, units } from './sudoku4x4-grids.ts';
import { threeShotPrompt, workedAnswer } from './sudoku4x4-prompt.ts';
import { drawEmptyCount, emptyRange, makePuzzle } from './sudoku4x4-puzzles.ts';
import type { Grade, PromptFormat, Reward, Task } from './task.ts';

/** A puzzle of 16 digits, row by row, 0 for an empty cell; `solution` is absent if the puzzle is not labelled. */
export interface SudokuRow {
  readonly puzzle: string;
  readonly solution?: string;
}

/** 4 x 4 Sudoku in the protocol of SPG (arXiv 2510.09541): split by solution, cell accuracy over the empty cells. */
export const sudoku4x4: Task<SudokuRow> = {
  name: 'sudoku4x4',
  description: '4x4 Sudoku: fill the empty cells of a puzzle that has one solution.',
  metrics: ['cell_accuracy', 'solved'],
  rewards: ['reference', 'rules'],
  completionLength: { tagged: 256, plain: 16 },
  parse,
  // Puzzles with the same solution stay together, as in the published split.
  contentKeys: ({ puzzle, solution }) => [solution ?? solutionsOf(puzzle)[0] ?? puzzle],
  prompt: (row, format) => (format === 'plain' ? `${row.puzzle}:` : threeShotPrompt(row.puzzle)),
  solution(row, format) {
    if (row.solution === undefined) return null;
    return format === 'plain' ? row.solution : workedAnswer(row.puzzle, row.solution);
  },
  generate,
  heldOut,
  defaultReward: (row) => (row.solution === undefined ? 'rules' : 'reference'),
  scorer: perCompletion({ reward: sudokuReward, grade: gradeSudoku }),
};

// Spreadsheets and JSON numbers drop leading zeros of a puzzle; they are restored.
const cells = z
  .union([z.string(), z.int().nonnegative()], { error: 'needs 16 digits' })
  .transform((value) => (typeof value === 'number' ? String(value) : value.trim()).padStart(16, '0'));

const rowSchema = z
  .object(
    {
      puzzle: cells.refine((text) => /^[0-4]{16}$/.test(text), { error: 'needs 16 digits from 0 to 4' }),
      solution: cells.refine((text) => /^[1-4]{16}$/.test(text), { error: 'needs 16 digits from 1 to 4' }).optional(),
    },
    { error: 'a Sudoku is an object with the fields puzzle and solution' },
  )
  .transform(({ puzzle, solution }): SudokuRow => (solution === undefined ? { puzzle } : { puzzle, solution }));

function parse(record: unknown): SudokuRow {
  const row = checkedRow(rowSchema, record);
  if (row.solution !== undefined && !grids.includes(row.solution)) {
    throw new UserError(`solution: ${row.solution} is not a solved grid.`);
  }
  if (row.solution !== undefined && !keepsGivens(row.puzzle, row.solution)) {
    throw new UserError(`solution: ${row.solution} changes a given of the puzzle ${row.puzzle}.`);
  }
  if (row.solution === undefined && solutionsOf(row.puzzle).length === 0) {
    throw new UserError(`puzzle: ${row.puzzle} has no solution.`);
  }
  return row;
}

const emptyCount = z.int().min(emptyRange[0]).max(emptyRange[1]);

const generateOptions = z.strictObject({
  /** Number of empty cells, or minimum and maximum; by default distributed as in the public test file. */
  empty: z
    .union([emptyCount, z.tuple([emptyCount, emptyCount]).refine(([least, most]) => least <= most)], {
      error: `needs a whole number from ${emptyRange.join(' to ')}, or a pair of them in ascending order`,
    })
    .optional(),
  /** Use only this many of the training grids, for a base model that has seen few. */
  grids: z.int().min(1).max(split.training.length).optional(),
  /** Only puzzles that can be solved by naked and hidden singles. */
  singlesOnly: z.boolean().optional(),
  /** If false, rows have no solution. */
  labelled: z.boolean().optional(),
});

function generate(random: Random, options: Readonly<Record<string, unknown>>): SudokuRow {
  const { empty, grids: gridCount, singlesOnly, labelled } = checkedOptions(generateOptions, 'sudoku4x4', options);
  const count = gridCount ?? split.training.length;
  for (;;) {
    const solution = split.training[random.integer(count)];
    const [least, most] = typeof empty === 'number' ? [empty, empty] : (empty ?? [0, 0]);
    const emptyCells = empty === undefined ? drawEmptyCount(random) : least + random.integer(most - least + 1);
    const puzzle = makePuzzle(random, solution, emptyCells, singlesOnly);
    // Skip the worked examples of the prompt: they contain their own answer.
    if (shots.some((shot) => shot.puzzle === puzzle)) continue;
    return labelled === false ? { puzzle } : { puzzle, solution };
  }
}

/**
 * Distinct puzzles that cycle through the grids of the split. They are deterministic, and a longer list begins with the
 * shorter one.
 */
function heldOut(part: 'validation' | 'test', count: number): SudokuRow[] {
  const random = new Random(0, 'sudoku4x4', part);
  const seen = new Set<string>();
  const rows: SudokuRow[] = [];
  for (let attempt = 0; rows.length < count; attempt++) {
    if (attempt > 20 * count + 100) throw new UsageError(`sudoku4x4 cannot make ${count} different held-out puzzles.`);
    const solution = split[part][rows.length % split[part].length];
    const puzzle = makePuzzle(random, solution, drawEmptyCount(random));
    if (seen.has(puzzle)) continue;
    seen.add(puzzle);
    rows.push({ puzzle, solution });
  }
  return rows;
}

/**
 * `reference`, as published: the share of empty cells that equal the solution, read from the digits of the last closed
 * `<answer>`, padded with 0 or cut to 16; changed givens are not penalised. `rules`: the share of the 12 rows, columns
 * and boxes that contain 1 to 4, or 0 if a given was changed; it needs no solution.
 */
export function sudokuReward(row: SudokuRow, completion: string, name: string, format: PromptFormat): Reward {
  if (name !== 'reference' && name !== 'rules') {
    throw new UsageError(`Unknown reward ${name} of sudoku4x4; it has ${sudoku4x4.rewards.join(', ')}.`);
  }
  // The plain form is read cell by cell: removing a stray character would shift all cells after it.
  const answer = format === 'plain' ? completion.trim() : (answerTags(completion).at(-1)?.replace(/\D/g, '') ?? '');
  const filled = paddedTo16(answer);
  if (name === 'rules') {
    const total = keepsGivens(row.puzzle, filled) ? units.filter((unit) => hasDigits1To4(unit, filled)).length / 12 : 0;
    return { total, parts: { rules: total } };
  }
  if (row.solution === undefined) {
    throw new UserError(`The reward reference needs a solution, and ${row.puzzle} has none; use the reward rules.`);
  }
  const empty = emptyCells(row.puzzle);
  const total = empty.length === 0 ? 0 : matching(empty, filled, row.solution) / empty.length;
  return { total, parts: { reference: total } };
}

/**
 * `cell_accuracy` counts the empty cells that equal the solution (the closest one if the row has none), padded or cut as in
 * the reward. `solved` and `correct` require exactly 16 digits that keep the givens and follow the rules.
 */
export function gradeSudoku(
  row: SudokuRow,
  completion: string,
  options: { format: PromptFormat; asReleased: boolean },
): Grade {
  const solutions = row.solution === undefined ? solutionsOf(row.puzzle) : [row.solution];
  const empty = emptyCells(row.puzzle);
  if (options.asReleased) return gradeSudokuAsReleased(completion, empty, solutions);
  const answer = options.format === 'plain' ? completion.trim() || null : readAnswer(ownAnswer(completion));
  const filled = paddedTo16(answer ?? '');
  const cellsRight = Math.max(0, ...solutions.map((solution) => matching(empty, filled, solution)));
  const correct = answer?.length === 16 && grids.includes(answer) && keepsGivens(row.puzzle, answer);
  return {
    correct,
    extracted: answer,
    scores: {
      cell_accuracy: { value: cellsRight, weight: empty.length },
      solved: { value: Number(correct), weight: 1 },
    },
  };
}

/** The digits of a tagged, boxed or fenced answer, on one line or as labelled rows; otherwise the last 16-digit number. */
function readAnswer(completion: string): string | null {
  const text = taggedAnswer(completion) ?? lastBoxed(completion) ?? lastFenced(completion);
  if (text !== null) {
    const digits = withoutNumbering(withLineEnds(unwrapped(withLineEnds(text.replace(/\\n(?=R(?:ow)?\s*\d)/gi, '\n')))))
      .replace(/\\(?:begin|end)\{\w+\}(?:\{[clr|]*\})?|\\hline/g, '')
      .replace(/\bR(?:ow)?\s*[1-4]\s*[:.)=|-]|\b(?:first|second|third|fourth)\s+row\s*[:=|-]/gi, '')
      .replace(/"(?:grid|solution|answer|board|rows)"\s*:/gi, '')
      .replace(/[\s|,;+\-_'"[\](){}&/\u2500-\u257f]/g, '');
    if (/^\d+$/.test(digits)) return digits;
  }
  return (text ?? completion).match(/(?<!\w)\d{16}(?!\w)/g)?.at(-1) ?? null;
}

/** Without emphasis, a line that names the columns, and the numbers of a list of exactly four rows. */
function withoutNumbering(answer: string): string {
  const lines = answer
    .replaceAll('**', '')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const rows = lines.filter((line) => !/^[\s|]*(?:Row\s*\|)?(?:\s*\|?\s*C(?:ol(?:umn)?)?\s*[1-4])+[\s|]*$/i.test(line));
  const isList = rows.length === 4 && rows.every((row, index) => new RegExp(`^\\s*${index + 1}[.)]\\s`).test(row));
  return (isList ? rows.map((row) => row.replace(/^\s*\d[.)]/, '')) : rows).join('\n');
}

function paddedTo16(answer: string): string {
  return answer.padEnd(16, '0').slice(0, 16);
}

function emptyCells(puzzle: string): number[] {
  return [...puzzle].flatMap((digit, cell) => (digit === '0' ? [cell] : []));
}

function keepsGivens(puzzle: string, filled: string): boolean {
  return [...puzzle].every((digit, cell) => digit === '0' || filled[cell] === digit);
}

function hasDigits1To4(unit: readonly number[], filled: string): boolean {
  return ['1', '2', '3', '4'].every((digit) => unit.some((cell) => filled[cell] === digit));
}

function matching(empty: readonly number[], filled: string, solution: string): number {
  return empty.filter((cell) => filled[cell] === solution[cell]).length;
}

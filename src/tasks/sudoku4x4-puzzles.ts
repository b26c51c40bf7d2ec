import { UserError } from '../platform/errors.ts';
import type { Random } from '../platform/random.ts';
import { hasOneSolution, peers, units } from './sudoku4x4-grids.ts';

/** Fewest and most empty cells that `makePuzzle` accepts; four givens are the fewest that can fix a 4 x 4 grid. */
export const emptyRange = [1, 12] as const;

/** How many of the 256 puzzles of the public test file have each number of empty cells; none has 10. */
const publicEmptyCounts: readonly (readonly [empty: number, puzzles: number])[] = [
  [7, 82],
  [8, 83],
  [9, 76],
  [11, 12],
  [12, 3],
];

/** Draws a number of empty cells with the frequencies of the public test file. */
export function drawEmptyCount(random: Random): number {
  let rank = random.integer(256);
  for (const [empty, puzzles] of publicEmptyCounts) {
    if (rank < puzzles) return empty;
    rank -= puzzles;
  }
  throw new Error('the counts of the public test file do not add up to 256');
}

/**
 * A puzzle with one solution, the given grid: uniform over all such puzzles with this many empty cells (and, with
 * `singlesOnly`, over those that naked and hidden singles solve).
 */
export function makePuzzle(random: Random, grid: string, empty: number, singlesOnly = false): string {
  // The rarest kind, 12 empty cells on a third of the grids, succeeds once in 150 draws.
  for (let attempt = 0; attempt < 100_000; attempt++) {
    const cells = [...grid];
    for (const cell of random.sample(16, empty)) cells[cell] = '0';
    const puzzle = cells.join('');
    if (hasOneSolution(puzzle) && (!singlesOnly || singleSteps(puzzle).solved)) return puzzle;
  }
  throw new UserError(
    `No puzzle of ${grid} with ${empty} empty cells was found; ask for fewer${singlesOnly ? ' or allow harder ones' : ''}.`,
  );
}

/** One deduction: the only digit that fits a cell (naked), or the only cell of a unit that takes a digit (hidden). */
export interface SingleStep {
  readonly cell: number;
  readonly digit: string;
  readonly kind: 'naked' | 'hidden';
}

/** Solves as far as possible by naked singles, and by hidden singles when no naked one is left. */
export function singleSteps(puzzle: string): { steps: SingleStep[]; cells: string; solved: boolean } {
  const cells = [...puzzle];
  const steps: SingleStep[] = [];
  for (;;) {
    const step = nakedSingle(cells) ?? hiddenSingle(cells);
    if (!step) break;
    cells[step.cell] = step.digit;
    steps.push(step);
  }
  return { steps, cells: cells.join(''), solved: !cells.includes('0') };
}

function nakedSingle(cells: readonly string[]): SingleStep | undefined {
  for (let cell = 0; cell < 16; cell++) {
    const fitting = candidates(cells, cell);
    if (fitting.length === 1) return { cell, digit: fitting[0], kind: 'naked' };
  }
  return undefined;
}

function hiddenSingle(cells: readonly string[]): SingleStep | undefined {
  for (const unit of units) {
    for (const digit of ['1', '2', '3', '4']) {
      const possibleCells = unit.filter((cell) => candidates(cells, cell).includes(digit));
      if (possibleCells.length === 1) return { cell: possibleCells[0], digit, kind: 'hidden' };
    }
  }
  return undefined;
}

function candidates(cells: readonly string[], cell: number): string[] {
  if (cells[cell] !== '0') return [];
  return ['1', '2', '3', '4'].filter((digit) => peers[cell].every((peer) => cells[peer] !== digit));
}

import { createHash } from 'node:crypto';

/** The cells (0 to 15, row by row) of each of the 12 units: four rows, four columns, four 2 x 2 boxes. */
export const units: readonly (readonly number[])[] = [
  ...[0, 1, 2, 3].map((row) => [0, 1, 2, 3].map((column) => row * 4 + column)),
  ...[0, 1, 2, 3].map((column) => [0, 1, 2, 3].map((row) => row * 4 + column)),
  ...[0, 2, 8, 10].map((corner) => [corner, corner + 1, corner + 4, corner + 5]),
];

/** The cells that share a unit with each cell. */
export const peers: readonly (readonly number[])[] = Array.from({ length: 16 }, (_, cell) => [
  ...new Set(units.filter((unit) => unit.includes(cell)).flatMap((unit) => unit.filter((other) => other !== cell))),
]);

/**
 * All 288 solved grids as strings of 16 digits, row by row, in ascending order. Stored data refer to a grid by its index
 * in this list.
 */
export const grids: readonly string[] = enumerate('');

function enumerate(start: string): string[] {
  if (start.length === 16) return [start];
  const free = ['1', '2', '3', '4'].filter((digit) => peers[start.length].every((peer) => start[peer] !== digit));
  return free.flatMap((digit) => enumerate(start + digit));
}

/**
 * Indices of the 88 grids that the public test file of SPG (arXiv 2510.09541, appendix on Sudoku; 256 puzzles) solves
 * to. Nothing may train on a puzzle that has one of them as its solution.
 */
const testIndices = [
  5, 9, 12, 13, 25, 27, 30, 31, 32, 33, 35, 43, 47, 48, 55, 56, 57, 67, 71, 74, 75, 80, 82, 86, 89, 91, 94, 99, 101,
  102, 104, 105, 107, 110, 111, 114, 116, 118, 121, 131, 132, 133, 134, 135, 137, 138, 146, 149, 151, 152, 153, 156,
  157, 163, 164, 166, 167, 174, 183, 186, 188, 190, 192, 195, 197, 200, 203, 205, 214, 216, 217, 219, 220, 221, 222,
  224, 229, 234, 236, 238, 243, 245, 253, 256, 265, 273, 274, 276,
];

/** The three worked examples of the published 3-shot prompt; their grids are training grids by the protocol. */
export const shots: readonly { readonly puzzle: string; readonly solution: string }[] = [
  { puzzle: '3014002020004130', solution: '3214142323414132' },
  { puzzle: '0000100420013142', solution: '4213132424313142' },
  { puzzle: '2001403002001420', solution: '2341413232141423' },
];

const validationCount = 40;

// Ordered by digest, not by a random stream: which grids are held out must never change with a generator.
const testGrids = testIndices.map((index) => grids[index]);
const shotGrids = new Set(shots.map((shot) => shot.solution));
const rest = grids
  .filter((grid) => !testGrids.includes(grid) && !shotGrids.has(grid))
  .sort((first, second) => (digest(first) < digest(second) ? -1 : 1));

/**
 * The split by solution: 160 grids to train on, 40 to choose settings by, 88 to report. Within a part the order is
 * fixed but arbitrary, so that its first n grids are a fair sample. No two parts share a solution; they do share
 * grids up to relabelling of digits and reflection, as the published split does.
 */
export const split: Readonly<Record<'training' | 'validation' | 'test', readonly string[]>> = {
  training: [...shotGrids, ...rest.slice(validationCount)],
  validation: rest.slice(0, validationCount),
  test: testGrids,
};

function digest(grid: string): string {
  return createHash('sha256').update(grid).digest('hex');
}

// Two bits per cell: a grid agrees with the givens of a puzzle if no bit under the mask of the givens differs.
const packedGrids = Int32Array.from(grids, (grid) => pack(grid).digits);

/** Every solved grid that agrees with the givens of a puzzle (16 digits, 0 for empty): none, one or several. */
export function solutionsOf(puzzle: string): string[] {
  const { digits, mask } = pack(puzzle);
  return grids.filter((_, index) => ((packedGrids[index] ^ digits) & mask) === 0);
}

export function hasOneSolution(puzzle: string): boolean {
  const { digits, mask } = pack(puzzle);
  let found = 0;
  for (const grid of packedGrids) if (((grid ^ digits) & mask) === 0 && ++found > 1) return false;
  return found === 1;
}

function pack(cells: string): { digits: number; mask: number } {
  let digits = 0;
  let mask = 0;
  for (let cell = 0; cell < 16; cell++) {
    const digit = cells.charCodeAt(cell) - 48;
    if (digit === 0) continue;
    digits |= (digit - 1) << (2 * cell);
    mask |= 3 << (2 * cell);
  }
  return { digits, mask };
}

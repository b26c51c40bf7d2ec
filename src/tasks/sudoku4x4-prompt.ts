import { shots } from './sudoku4x4-grids.ts';
import { type SingleStep, singleSteps } from './sudoku4x4-puzzles.ts';

/** The instructions of the published protocol (SPG, arXiv 2510.09541: rules, answer form, three worked examples). */
const instructions = `Solve the 4x4 Sudoku puzzle at the end. It is given as 16 characters, left to right and top to bottom; 0 stands for an empty cell.

Rules:
- Fill every empty cell with a digit from 1 to 4.
- Each row, each column and each 2x2 box holds the digits 1 to 4 exactly once.

The answer must be the complete grid as 16 characters, digits 1 to 4 only, without spaces or separators.

Respond in exactly this format:
<reasoning>
Your reasoning, step by step
</reasoning>
<answer>
[the 16 characters of the solved grid]
</answer>`;

const question = (puzzle: string): string => `Question:\nSolve the following Sudoku puzzle: ${puzzle}\nAnswer:\n`;

const workedExamples = shots
  .map(({ puzzle, solution }) => question(puzzle) + workedAnswer(puzzle, solution))
  .join('\n\n');

/** The published 3-shot form of a problem. */
export function threeShotPrompt(puzzle: string): string {
  return `${instructions}\n\n${workedExamples}\n\n${question(puzzle)}`;
}

/** A model answer: the rows, the singles in the order in which they are found, the final grid, and the 16 digits. */
export function workedAnswer(puzzle: string, solution: string): string {
  const { steps, cells, solved } = singleSteps(puzzle);
  const reasoning = [
    'Rows of the puzzle:',
    rows(puzzle),
    '',
    ...runsOfOneKind(steps).map(
      (run) => `${run[0].kind === 'naked' ? 'One digit fits' : 'One cell is left'}: ${filled(run)}.`,
    ),
    ...(solved ? [] : [`The rest follows by trial: ${filled(remaining(cells, solution))}.`]),
    '',
    'Final grid:',
    rows(solution),
  ];
  return `<reasoning>\n${reasoning.join('\n')}\n</reasoning>\n<answer>\n${solution}\n</answer>`;
}

type Filled = Pick<SingleStep, 'cell' | 'digit'>;

function remaining(cells: string, solution: string): Filled[] {
  return [...solution].map((digit, cell) => ({ cell, digit })).filter(({ cell }) => cells[cell] === '0');
}

function filled(steps: readonly Filled[]): string {
  return steps.map(({ cell, digit }) => `R${Math.floor(cell / 4) + 1}C${(cell % 4) + 1}=${digit}`).join(', ');
}

function runsOfOneKind(steps: readonly SingleStep[]): SingleStep[][] {
  const runs: SingleStep[][] = [];
  for (const step of steps) {
    const run = runs.at(-1);
    if (run?.[0].kind === step.kind) run.push(step);
    else runs.push([step]);
  }
  return runs;
}

function rows(cells: string): string {
  return [0, 1, 2, 3].map((row) => `R${row + 1}: ${[...cells.slice(row * 4, row * 4 + 4)].join(' ')}`).join('\n');
}

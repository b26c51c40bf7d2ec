import type { Denoising } from '../protocol/report.ts';

/** The layout of a completion whose tokens are the cells of a grid: one token per cell, as in the plain prompt. */
export function gridLayoutOf(task: string | null, prompt: string): Pick<Denoising, 'layout'> {
  const puzzle = /^[0-4]{16}(?=:$)/.exec(prompt)?.[0];
  if (task !== 'sudoku4x4' || puzzle === undefined) return {};
  return { layout: { columns: 4, cells: 16, box: 2, given: [...puzzle].map((digit) => digit !== '0') } };
}

import { UsageError } from '../platform/errors.ts';
import { code } from './code/code.ts';
import { countdown } from './countdown.ts';
import { gsm8k } from './gsm8k.ts';
import { math } from './math.ts';
import { programs } from './programs/programs.ts';
import { sudoku4x4 } from './sudoku4x4.ts';
import type { Task } from './task.ts';
import { workspace } from './workspace/workspace.ts';

/** Every task, in the order in which they are listed. */
export const tasks: readonly Task[] = [
  sudoku4x4,
  countdown,
  gsm8k,
  math,
  code as Task,
  programs as Task,
  workspace as Task,
];

/** The task of a name; throws a `UsageError` that names the known ones. */
export function taskByName(name: string): Task {
  const task = tasks.find((candidate) => candidate.name === name);
  if (!task)
    throw new UsageError(`Unknown task ${name}; the tasks are ${tasks.map((known) => known.name).join(', ')}.`);
  return task;
}

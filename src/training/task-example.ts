import { characterSpecials, type Tokenizer } from '../model/tokenizer.ts';
import type { Task } from '../tasks/task.ts';
import type { Example } from './masked-diffusion-loss.ts';

/**
 * The plain prompt and the solution of a problem, padded with end-of-text tokens to the task's length, so that the model learns
 * where to stop.
 */
export function taskExample(tokenizer: Tokenizer, task: Task, row: unknown): Example {
  const prompt = tokenizer.encode(task.prompt(row, 'plain'));
  const solution = tokenizer.encode(task.solution(row, 'plain') as string);
  const fill = Array.from({ length: task.completionLength.plain - solution.length }, () => characterSpecials.eos);
  const tokens = [...prompt, ...solution, ...fill];
  return { tokens, canvases: [{ start: prompt.length, end: tokens.length }] };
}

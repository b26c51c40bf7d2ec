import type { Grade, GradeOptions, PromptFormat, Reward, RewardQuestion, ScoringError, Task } from './task.ts';

/** What completions are worth in training, as their task finds it out: at once, or by running something. */
export async function rewardAll<Row>(
  task: Task<Row>,
  questions: readonly RewardQuestion<Row>[],
  format: PromptFormat,
  signal?: AbortSignal,
): Promise<(Reward | ScoringError)[]> {
  if (task.inBatches) return task.inBatches.reward(questions, format, signal);
  return questions.map(({ row, completion, reward }) => task.reward(row, completion, reward, format));
}

export const isScored = (earned: Reward | ScoringError): earned is Reward => !('broken' in earned);

/** Grades of completions; throws a `UserError` where what grades is broken. */
export async function gradeAll<Row>(
  task: Task<Row>,
  answers: readonly { readonly row: Row; readonly completion: string }[],
  options: GradeOptions,
  signal?: AbortSignal,
): Promise<Grade[]> {
  if (task.inBatches) return task.inBatches.grade(answers, options, signal);
  return answers.map(({ row, completion }) => task.grade(row, completion, options));
}

import { UserError } from '../platform/errors.ts';
import { gradeAll, rewardAll } from './grading.ts';
import type { Grade, PromptFormat, Reward, Score, Task } from './task.ts';

/** A problem with a completion that somebody made for it. */
export interface CompletedRow<Row = unknown> {
  readonly row: Row;
  readonly completion: string;
}

export interface ScoredRow extends Grade {
  readonly reward: number;
}

export interface Scores {
  readonly task: string;
  readonly n: number;
  /** Every metric of the task, the first one first: sum of the values and of the weights of all rows. */
  readonly metrics: Readonly<Record<string, Score>>;
  readonly rows: readonly ScoredRow[];
}

export interface ScoreOptions {
  readonly format?: PromptFormat;
  /** Grades as the released evaluators do; the reward is then the share that they count as right. */
  readonly asReleased?: boolean;
  /** Name of the training reward; by default the task's own choice for the row. */
  readonly reward?: string;
  /** Aborted to stop tasks that run something to grade. */
  readonly signal?: AbortSignal;
}

/** Reads a record `{prompt?, completion, …the task's own fields}`; throws a `UserError` that says what is wrong. */
export function completedRow<Row>(task: Task<Row>, record: unknown): CompletedRow<Row> {
  const completion = (record as { completion?: unknown } | null)?.completion;
  if (typeof completion !== 'string') throw new UserError('completion: needs a text.');
  // An answer of an evaluation keeps what its own prompt would hide of the problem apart.
  const { row } = record as { row?: unknown };
  return { row: task.parse(typeof row === 'object' ? { ...(record as object), ...row } : record), completion };
}

/** Grades completions. An empty list has metrics of weight 0. */
export async function scoreRows<Row>(
  task: Task<Row>,
  completed: readonly CompletedRow<Row>[],
  options: ScoreOptions = {},
): Promise<Scores> {
  const rows = await scoredRows(task, completed, options);
  const metrics = Object.fromEntries(
    task.metrics.map((name) => [name, sum(rows.map(({ scores }) => scores[name] ?? { value: 0, weight: 0 }))]),
  );
  return { task: task.name, n: rows.length, metrics, rows };
}

async function scoredRows<Row>(
  task: Task<Row>,
  completed: readonly CompletedRow<Row>[],
  { format = 'tagged', asReleased = false, reward, signal }: ScoreOptions,
): Promise<ScoredRow[]> {
  const grades = await gradeAll(task, completed, { format, asReleased }, signal);
  if (asReleased)
    return grades.map((grade) => {
      const { value, weight } = grade.scores[task.metrics[0]] as Score;
      return { ...grade, reward: weight === 0 ? 0 : value / weight };
    });
  const questions = completed.map(({ row, completion }) => ({
    row,
    completion,
    reward: reward ?? task.defaultReward?.(row) ?? task.rewards[0],
  }));
  const rewards = await rewardAll(task, questions, format, signal);
  // What could be graded has a reward.
  return grades.map((grade, index) => ({ ...grade, reward: (rewards[index] as Reward).total }));
}

function sum(scores: readonly Score[]): Score {
  return scores.reduce((total, { value, weight }) => ({ value: total.value + value, weight: total.weight + weight }), {
    value: 0,
    weight: 0,
  });
}

import { UserError } from '../platform/errors.ts';
import { isScored } from './scorer.ts';
import type { CompletedRow, Grade, PromptFormat, Reward, Score, ScoringError, ScoringOptions, Task } from './task.ts';

export interface ScoredRow extends Grade {
  readonly reward: number;
}

export interface Scores {
  readonly task: string;
  readonly n: number;
  /** Every metric of the task in its order: the sums of values and of weights over all rows. */
  readonly metrics: Readonly<Record<string, Score>>;
  readonly rows: readonly ScoredRow[];
}

export interface ScoreOptions extends ScoringOptions {
  readonly format?: PromptFormat;
  /** Grade as the released evaluators do; the reward is then the share that they count as correct. */
  readonly asReleased?: boolean;
  /** Name of the training reward; by default the task's choice for the row. */
  readonly reward?: string;
}

/** Reads a record `{prompt?, completion, …fields of the task}`; throws a `UserError` that names the error. */
export function completedRow<Row>(task: Task<Row>, record: unknown): CompletedRow<Row> {
  const completion = (record as { completion?: unknown } | null)?.completion;
  if (typeof completion !== 'string') throw new UserError('completion: needs a text.');
  // An answer of an evaluation keeps the problem's fields that its own would overwrite in `row`.
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
  { format = 'tagged', asReleased = false, reward, ...options }: ScoreOptions,
): Promise<ScoredRow[]> {
  const grades = await task.scorer.grade(completed, { format, asReleased }, options);
  if (asReleased)
    return grades.map((grade) => {
      const { value, weight } = grade.scores[task.metrics[0]] as Score;
      return { ...grade, reward: weight === 0 ? 0 : value / weight };
    });
  const requests = completed.map(({ row, completion }) => ({
    row,
    completion,
    reward: reward ?? task.defaultReward?.(row) ?? task.rewards[0],
  }));
  const rewards = await task.scorer.reward(requests, format, options);
  return grades.map((grade, index) => {
    const rewardHere = rewards[index] as Reward | ScoringError;
    return { ...grade, reward: isScored(rewardHere) ? rewardHere.total : 0 };
  });
}

function sum(scores: readonly Score[]): Score {
  return scores.reduce((total, { value, weight }) => ({ value: total.value + value, weight: total.weight + weight }), {
    value: 0,
    weight: 0,
  });
}

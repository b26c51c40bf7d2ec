import { UserError } from '../platform/errors.ts';
import type { Grade, PromptFormat, Score, Task } from './task.ts';

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
}

/** Reads a record `{prompt?, completion, …the task's own fields}`; throws a `UserError` that says what is wrong. */
export function completedRow<Row>(task: Task<Row>, record: unknown): CompletedRow<Row> {
  const completion = (record as { completion?: unknown } | null)?.completion;
  if (typeof completion !== 'string') throw new UserError('completion: needs a text.');
  return { row: task.parse(record), completion };
}

/** Grades completions. An empty list has metrics of weight 0. */
export function scoreRows<Row>(
  task: Task<Row>,
  completed: readonly CompletedRow<Row>[],
  options: ScoreOptions = {},
): Scores {
  const rows = completed.map(({ row, completion }) => scoreRow(task, row, completion, options));
  const metrics = Object.fromEntries(
    task.metrics.map((name) => [name, sum(rows.map(({ scores }) => scores[name] ?? { value: 0, weight: 0 }))]),
  );
  return { task: task.name, n: rows.length, metrics, rows };
}

function scoreRow<Row>(task: Task<Row>, row: Row, completion: string, options: ScoreOptions): ScoredRow {
  const { format = 'tagged', asReleased = false } = options;
  const grade = task.grade(row, completion, { format, asReleased });
  if (asReleased) {
    const { value, weight } = grade.scores[task.metrics[0]];
    return { ...grade, reward: weight === 0 ? 0 : value / weight };
  }
  const name = options.reward ?? task.defaultReward?.(row) ?? task.rewards[0];
  return { ...grade, reward: task.reward(row, completion, name, format).total };
}

function sum(scores: readonly Score[]): Score {
  return scores.reduce((total, { value, weight }) => ({ value: total.value + value, weight: total.weight + weight }), {
    value: 0,
    weight: 0,
  });
}

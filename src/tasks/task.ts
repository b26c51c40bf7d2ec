import type { Random } from '../platform/random.ts';

/**
 * How a prompt is written: `tagged` has the papers' `<reasoning>`/`<answer>` instructions, `plain` is the short form for
 * small character models, and `chat` puts the instructions into a message of the model's own chat template.
 */
export type PromptFormat = 'tagged' | 'plain' | 'chat';

/** A sum and its maximum; a metric over many items is the sum of `value` divided by the sum of `weight`. */
export interface Score {
  readonly value: number;
  readonly weight: number;
}

/** The result of grading one completion. */
export interface Grade {
  readonly correct: boolean;
  /** The answer that was read from the completion; null if there was none. */
  readonly extracted: string | null;
  /** One score per metric of the task. */
  readonly scores: Readonly<Record<string, Score>>;
  /** Why the completion could not be graded; its scores then have weight 0. Absent if it was graded. */
  readonly error?: string;
}

/** A training reward and the named parts that add up to it. */
export interface Reward {
  readonly total: number;
  readonly parts: Readonly<Record<string, number>>;
  /** Whether the completion is right; absent for tasks without such a notion. */
  readonly passed?: boolean;
  /** Why the completion gets nothing although its tests passed: it decided their results itself. Absent for all others. */
  readonly forged?: string;
  /** The details of the reward as plain JSON, such as test results; stored with the sample. */
  readonly report?: unknown;
}

/** The reason why a completion could not be scored. The scorer failed; the completion itself may be correct. */
export interface ScoringError {
  readonly broken: string;
}

/** A problem and a completion of its prompt. */
export interface CompletedRow<Row = unknown> {
  readonly row: Row;
  readonly completion: string;
}

export interface RewardRequest<Row> extends CompletedRow<Row> {
  /** Name of the reward. */
  readonly reward: string;
}

export interface GradeOptions {
  readonly format: PromptFormat;
  /** Follow the released evaluator rule by rule, including its defects. */
  readonly asReleased: boolean;
}

export interface ScoringOptions {
  /** When it aborts, running tests are killed at once and the call rejects with `Interrupted`. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each scored completion. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Scores completions of a task, many per call, so that a task that runs tests can run several of them at once. Results
 * are in the order of the requests. `perCompletion` makes a scorer of functions that score a single completion.
 */
export interface Scorer<Row> {
  /** Whether scoring runs tests, which takes long enough that other work should go on in the meantime. */
  readonly runsTests: boolean;
  /**
   * Training rewards. Rejects with a `UsageError` for an unknown reward and a `UserError` if a row lacks a field that the
   * reward needs; a test run that fails for another reason than its completion becomes the `ScoringError` of its item.
   */
  reward(
    requests: readonly RewardRequest<Row>[],
    format: PromptFormat,
    options?: ScoringOptions,
  ): Promise<(Reward | ScoringError)[]>;
  /** Grades for an evaluation; rejects with a `UserError` if tests of no row can be run. */
  grade(answers: readonly CompletedRow<Row>[], grading: GradeOptions, options?: ScoringOptions): Promise<Grade[]>;
}

/**
 * A task: problems with a prompt, and a scorer for completions of it. `Row` is a plain JSON record in the form that data
 * files use, so that a problem can be stored, hashed and sent to another process.
 */
export interface Task<Row = unknown> {
  readonly name: string;
  readonly description: string;
  /** Names of the metrics; the first is the main one. */
  readonly metrics: readonly [string, ...string[]];
  /** Names of the rewards that training may use, the default first. */
  readonly rewards: readonly [string, ...string[]];
  /**
   * Tuning hyper-parameters that suit this task better than the papers' values. They override those and are overridden
   * by the user's settings.
   */
  readonly tuning?: Readonly<Record<string, number | string>>;
  /** Maximum number of tokens of an answer, per prompt format; `chat` uses the value of `tagged`. */
  readonly completionLength: Readonly<Record<'tagged' | 'plain', number>>;
  /** Names of the fields of a record that `parse` reads; absent: fields that it does not read are not reported. */
  readonly fields?: readonly string[];
  /** Checks one record of a data file; throws a `UserError` that names the error. */
  parse(record: unknown): Row;
  /**
   * Texts that identify a problem when the rows of a file are split into training, validation and test: rows that have
   * one in common stay in the same part. The first names the problem in the record of the split.
   */
  contentKeys(row: Row): readonly [string, ...string[]];
  prompt(row: Row, format: PromptFormat): string;
  /**
   * The text after the completion, for models that fill in the middle of a `plain` prompt; absent for tasks whose
   * completions end the text.
   */
  suffix?(row: Row): string;
  /** Whether completions are decoded as an editor decodes a gap unless a setting says otherwise. */
  readonly decodedAsInEditor?: boolean;
  /** The completion that supervised training learns; null if the row has no solution. */
  solution(row: Row, format: PromptFormat): string | null;
  /** Draws a training problem, never a held-out one; absent for tasks whose problems come from a file. */
  generate?(random: Random, options: Readonly<Record<string, unknown>>): Row;
  /**
   * The generated held-out problems of a split. They are the same on every call. Absent for tasks whose problems come
   * from a file. `options` are the problem options of the task, if it has any.
   */
  heldOut?(split: 'validation' | 'test', count: number, options?: Readonly<Record<string, unknown>>): Row[];
  /** The reward for a row if the user names none; absent if it is always the first. */
  defaultReward?(row: Row): string;
  readonly scorer: Scorer<Row>;
  /** Makes the problems of a curriculum from the rows of a file, from easy to hard; absent: the rows are the problems. */
  lessons?(rows: readonly Row[], options?: ScoringOptions): Promise<Lessons<Row>>;
}

/** The problems of a curriculum, by difficulty. */
export interface Lessons<Row = unknown> {
  /** The easiest first; none is empty. */
  readonly levels: readonly Level<Row>[];
  /** Findings about the rows for the user, one sentence each: for example tests that notice no wrong program. */
  readonly findings: readonly string[];
}

/** Problems of about the same difficulty. */
export interface Level<Row = unknown> {
  readonly name: string;
  readonly rows: readonly Row[];
}

/** Maximum number of tokens of an answer to a task. */
export const completionLengthOf = (
  { completionLength }: Pick<Task, 'completionLength'>,
  format: PromptFormat,
): number => completionLength[format === 'plain' ? 'plain' : 'tagged'];

import type { Random } from '../platform/random.ts';

/**
 * How a prompt is written: the papers' `<reasoning>`/`<answer>` instructions, the short form of small character models, or the
 * instructions as a message of a conversation, in the form that the model's own chat template gives it.
 */
export type PromptFormat = 'tagged' | 'plain' | 'chat';

/** A sum and what it is a share of; a metric of many items is the sum of `value` over the sum of `weight`. */
export interface Score {
  readonly value: number;
  readonly weight: number;
}

/** What a checker says of one completion. */
export interface Grade {
  readonly correct: boolean;
  /** The answer as it was read out of the completion; null where there was none. */
  readonly extracted: string | null;
  /** One score per metric of the task. */
  readonly scores: Readonly<Record<string, Score>>;
}

/** A training reward and the named parts that it is the sum of. */
export interface Reward {
  readonly total: number;
  readonly parts: Readonly<Record<string, number>>;
  /** What the reward follows from, as plain JSON, for who wants to know; it is kept with the sample. */
  readonly report?: unknown;
}

/** Why a completion has no reward: what was to find it out is broken, which is not the completion's fault. */
export interface ScoringError {
  readonly broken: string;
}

export interface RewardQuestion<Row> {
  readonly row: Row;
  readonly completion: string;
  /** Name of the reward. */
  readonly reward: string;
}

export interface GradeOptions {
  readonly format: PromptFormat;
  readonly asReleased: boolean;
}

/**
 * A task: problems with a prompt, and what a completion of one is worth. `Row` is a plain JSON record, as it stands
 * in a data file, so that a problem can be stored, hashed and sent to another process.
 */
export interface Task<Row = unknown> {
  readonly name: string;
  readonly description: string;
  /** Names of the metrics, the one that is reported first at the head. */
  readonly metrics: readonly [string, ...string[]];
  /** Names of the rewards that training may use, the default first. */
  readonly rewards: readonly [string, ...string[]];
  /**
   * Hyper-parameters of tuning, by name, that suit the task better than the papers'; they stand between those and what a
   * user sets.
   */
  readonly tuning?: Readonly<Record<string, number | string>>;
  /** Tokens that an answer needs at most, per prompt format; a message has the tagged one's. */
  readonly completionLength: Readonly<Record<'tagged' | 'plain', number>>;
  /** Checks one record of a data file; throws a `UserError` that says what is wrong with it. */
  parse(record: unknown): Row;
  prompt(row: Row, format: PromptFormat): string;
  /**
   * What stands behind the completion, given to models that fill gaps beside the `plain` prompt; absent for tasks whose
   * completions end the text.
   */
  suffix?(row: Row): string;
  /** The text that supervised training puts behind the prompt; null where the row holds no solution. */
  solution(row: Row, format: PromptFormat): string | null;
  /** A problem that training may see, never one of the held-out ones; absent for tasks whose data come from a file. */
  generate?(random: Random, options: Readonly<Record<string, unknown>>): Row;
  /**
   * The held-out problems that are generated, by split, always the same ones; absent for tasks whose data come from a
   * file. The options are the task's own, for a task that has any here.
   */
  heldOut?(split: 'validation' | 'test', count: number, options?: Readonly<Record<string, unknown>>): Row[];
  /** The reward to take for a row where none is named; absent where that is always the first. */
  defaultReward?(row: Row): string;
  /** What `completion` is worth in training; throws a `UsageError` for an unknown name, a `UserError` where the row lacks what it needs. */
  reward(row: Row, completion: string, name: string, format: PromptFormat): Reward;
  /** Grades one completion; `asReleased` follows the released evaluator rule by rule, defects included. */
  grade(row: Row, completion: string, options: GradeOptions): Grade;
  /**
   * `reward` and `grade` of many completions, for tasks that must run something to know: they are asked here, through
   * `rewardAll` and `gradeAll`, and not one by one.
   */
  readonly inBatches?: {
    reward(
      questions: readonly RewardQuestion<Row>[],
      format: PromptFormat,
      signal?: AbortSignal,
    ): Promise<(Reward | ScoringError)[]>;
    /** Throws a `UserError` where what grades is broken. */
    grade(
      answers: readonly { readonly row: Row; readonly completion: string }[],
      options: GradeOptions,
      signal?: AbortSignal,
    ): Promise<Grade[]>;
  };
}

/** Tokens that an answer of a task needs at most. */
export const completionLengthOf = (
  { completionLength }: Pick<Task, 'completionLength'>,
  format: PromptFormat,
): number => completionLength[format === 'plain' ? 'plain' : 'tagged'];

import { Interrupted } from '../platform/errors.ts';
import type { Grade, GradeOptions, PromptFormat, Reward, Scorer, ScoringError, ScoringOptions } from './task.ts';

/** How a task scores one completion when nothing has to be run for it. */
export interface CompletionScoring<Row> {
  /**
   * The training reward called `name`; throws a `UsageError` for an unknown name and a `UserError` if the row lacks a
   * field that the reward needs.
   */
  reward(row: Row, completion: string, name: string, format: PromptFormat): Reward;
  grade(row: Row, completion: string, options: GradeOptions): Grade;
}

/** Makes a scorer of functions that score one completion at a time. */
export function perCompletion<Row>({ reward, grade }: CompletionScoring<Row>): Scorer<Row> {
  return {
    runsTests: false,
    reward: (requests, format, options) =>
      scoreEach(requests, options, ({ row, completion, reward: name }) => reward(row, completion, name, format)),
    grade: (answers, gradeOptions, options) =>
      scoreEach(answers, options, ({ row, completion }) => grade(row, completion, gradeOptions)),
  };
}

async function scoreEach<Item, Result>(
  items: readonly Item[],
  { signal, onProgress }: ScoringOptions = {},
  score: (item: Item) => Result,
): Promise<Result[]> {
  return items.map((item, index) => {
    if (signal?.aborted) throw new Interrupted('Scoring was stopped.');
    const result = score(item);
    onProgress?.(index + 1, items.length);
    return result;
  });
}

export const isScored = (reward: Reward | ScoringError): reward is Reward => !('broken' in reward);

import { UsageError, UserError } from '../../platform/errors.ts';
import { passRate, type Verdict } from '../../workspace/verdict.ts';
import type { CompletedRow, PromptFormat, Scorer, ScoringOptions, Task } from '../task.ts';
import { codeReward } from './reward.ts';

/** How a task makes code of a completion and tests it. `Candidate` is that code; null if a completion has none. */
export interface TestScoring<Row, Candidate extends { readonly code: string }> {
  readonly task: string;
  readonly rewards: Task['rewards'];
  /** Name of the function that the completion has to implement. */
  functionName(row: Row): string;
  candidate(row: Row, completion: string, format: PromptFormat): Candidate | null;
  /** Tests all candidates; the verdicts are in their order. */
  judge(
    candidates: readonly { readonly row: Row; readonly candidate: Candidate | null }[],
    options: ScoringOptions,
  ): Promise<Verdict[]>;
  /** Whether the file that holds the candidate parses. */
  parses(row: Row, candidate: Candidate): Promise<boolean>;
  /** What passing the tests of a row is worth, above 0 and up to 1; absent: 1. */
  testWeight?(row: Row): number;
}

/** A scorer that runs the tests of each completion in the sandbox. */
export function testScorer<Row, Candidate extends { readonly code: string }>(
  scoring: TestScoring<Row, Candidate>,
): Scorer<Row> {
  const candidatesOf = (completed: readonly CompletedRow<Row>[], format: PromptFormat) =>
    completed.map(({ row, completion }) => ({ row, candidate: scoring.candidate(row, completion, format) }));
  return {
    runsTests: true,
    async reward(requests, format, options = {}) {
      const unknown = requests.find(({ reward }) => !scoring.rewards.includes(reward));
      if (unknown)
        throw new UsageError(
          `Unknown reward ${unknown.reward} of ${scoring.task}; it has ${scoring.rewards.join(', ')}.`,
        );
      const candidates = candidatesOf(requests, format);
      const verdicts = await scoring.judge(candidates, options);
      return Promise.all(
        candidates.map(async ({ row, candidate }, index) => {
          const { completion, reward: name } = requests[index]!;
          const parses = candidate !== null && (await scoring.parses(row, candidate));
          const testWeight = scoring.testWeight?.(row) ?? 1;
          return codeReward(verdicts[index]!, { name, completion, format, parses, testWeight });
        }),
      );
    },
    async grade(answers, { format }, options = {}) {
      const candidates = candidatesOf(answers, format);
      const verdicts = await scoring.judge(candidates, options);
      return candidates.map(({ row, candidate }, index) => {
        const verdict = verdicts[index]!;
        if (verdict.outcome === 'broken')
          throw new UserError(
            `The tests of ${scoring.functionName(row)} cannot be run: ${verdict.reason}; fix that and try again.`,
          );
        const correct = passRate(verdict) === 1;
        const scores = { 'pass@1': { value: Number(correct), weight: 1 } };
        return { correct, extracted: candidate?.code ?? null, scores };
      });
    },
  };
}

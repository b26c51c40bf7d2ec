import { UsageError } from '../../platform/errors.ts';
import { passRate, type Verdict } from '../../workspace/verdict.ts';
import type { PromptFormat, Reward, ScoringError, Task } from '../task.ts';

/** Shares of the reward: tests decide, and text that parses or is nothing but code shows the way to where tests can. */
const worth = { tests: 0.85, parses: 0.1, format: 0.05 } as const;

/** Throws a `UsageError` for a reward that a task of code does not have. */
export function checkCodeRewards(
  { name, rewards }: Pick<Task, 'name' | 'rewards'>,
  questions: readonly { readonly reward: string }[],
): void {
  const unknown = questions.find(({ reward }) => !rewards.includes(reward));
  if (unknown) throw new UsageError(`Unknown reward ${unknown.reward} of ${name}; it has ${rewards.join(', ')}.`);
}

export interface Rewarded {
  readonly name: string;
  readonly completion: string;
  readonly format: PromptFormat;
  /** Whether the whole file parses. */
  readonly parses: boolean;
}

/**
 * `tests` is the share of tests that pass, with a small part for a program that parses and a smaller one for a completion
 * that is code and nothing else; `all-tests` is 1 where every test passes. The verdict is the reward's report.
 */
export function codeReward(verdict: Verdict, { name, completion, format, parses }: Rewarded): Reward | ScoringError {
  const share = passRate(verdict);
  if (verdict.outcome === 'broken' || share === null) return { broken: 'reason' in verdict ? verdict.reason : '' };
  if (name === 'all-tests') {
    const tests = share === 1 ? 1 : 0;
    return { total: tests, parts: { tests }, report: verdict };
  }
  const isCode = completion.trim() !== '' && isCodeAlone(completion, format);
  const parts = {
    tests: worth.tests * share,
    parses: parses ? worth.parses : 0,
    format: isCode ? worth.format : 0,
  };
  return { total: parts.tests + parts.parses + parts.format, parts, report: verdict };
}

/** Whether a completion keeps to the form that was asked for: the body as it is, or one fenced block in the answer. */
function isCodeAlone(completion: string, format: PromptFormat): boolean {
  if (format === 'plain') return !completion.includes('```') && !completion.includes('<answer>');
  return /^[^`]*<answer>\s*```\w*\n[^`]*```\s*<\/answer>\s*$/.test(completion);
}

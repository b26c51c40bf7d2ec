import { passRate, type Verdict } from '../../workspace/verdict.ts';
import type { PromptFormat, Reward, ScoringError } from '../task.ts';

/** Names of the rewards of tasks that test code, the default first. */
export const codeRewards = ['tests', 'all-tests'] as const;

/** Maximum of each part of the reward. The small parts guide a model whose completions do not pass any test yet. */
const worth = { tests: 0.85, parses: 0.1, format: 0.05 } as const;

/** A tested completion and the reward that is asked for it. */
export interface TestedCompletion {
  /** Name of the reward. */
  readonly name: string;
  readonly completion: string;
  readonly format: PromptFormat;
  /** Whether the whole file parses. */
  readonly parses: boolean;
  /** What passing tests are worth: 1, or less if the tests notice few wrong programs. */
  readonly testWeight: number;
}

/**
 * The reward `tests` is the share of tests that pass, plus a small part if the program parses and a smaller one if the
 * completion is code and nothing else. `all-tests` is 1 if every test passes, otherwise 0. Both scale the part for tests
 * by `testWeight`. A completion that forged its test results gets 0. The report is the verdict.
 */
export function codeReward(
  verdict: Verdict,
  { name, completion, format, parses, testWeight }: TestedCompletion,
): Reward | ScoringError {
  const share = passRate(verdict);
  if (verdict.outcome === 'broken' || share === null) return { broken: 'reason' in verdict ? verdict.reason : '' };
  if (verdict.outcome === 'failed' && verdict.forged) return forgedReward(name, verdict.reason, verdict);
  if (name === 'all-tests') {
    const tests = share === 1 ? testWeight : 0;
    return { total: tests, parts: { tests }, passed: share === 1, report: verdict };
  }
  const isCode = completion.trim() !== '' && isCodeAlone(completion, format);
  const parts = {
    tests: worth.tests * share * testWeight,
    parses: parses ? worth.parses : 0,
    format: isCode ? worth.format : 0,
  };
  return { total: parts.tests + parts.parses + parts.format, parts, passed: share === 1, report: verdict };
}

/** No reward, not even for the form, so that a forged result gets no more than a completion without code. */
function forgedReward(name: string, forged: string, report: Verdict): Reward {
  const parts = name === 'all-tests' ? { tests: 0 } : { tests: 0, parses: 0, format: 0 };
  return { total: 0, parts, passed: false, forged, report };
}

/** Whether a completion has the requested form: the bare body, or one fenced block inside the answer tags. */
function isCodeAlone(completion: string, format: PromptFormat): boolean {
  if (format === 'plain') return !completion.includes('```') && !completion.includes('<answer>');
  return /^[^`]*<answer>\s*```\w*\n[^`]*```\s*<\/answer>\s*$/.test(completion);
}

import { UsageError, UserError } from '../../platform/errors.ts';
import type { Random } from '../../platform/random.ts';
import { isWellFormed } from '../../workspace/syntax-trees.ts';
import { shareOf, type Verdict } from '../../workspace/verdict.ts';
import type { Grade, GradeOptions, NoReward, PromptFormat, Reward, RewardQuestion, Task } from '../task.ts';
import { judge } from './judge.ts';
import { problemsOf } from './problem-files.ts';
import { candidateProgram } from './program.ts';
import { type CodeRow, codeRow } from './row.ts';

/** Shares of the reward: tests decide, and text that parses or is nothing but code shows the way to where tests can. */
const worth = { tests: 0.85, parses: 0.1, format: 0.05 } as const;

/** Functions to write, judged by tests that run in the sandbox: HumanEval-style rows, or the small set that is shipped. */
export const code: Task<CodeRow> = {
  name: 'code',
  description: 'Write a function that passes its tests',
  metrics: ['pass@1'],
  rewards: ['tests', 'all-tests'],
  completionLength: { tagged: 512, plain: 96 },
  parse: codeRow,
  prompt: (row, format) => (format === 'plain' ? row.prompt : taggedPrompt(row)),
  solution(row, format) {
    if (row.solution === undefined) return null;
    return format === 'plain' ? row.solution : `<answer>\n${fenced(row, row.prompt + row.solution)}\n</answer>`;
  },
  generate: (random: Random) => random.pick(problemsOf('training')),
  heldOut: (split, count) => problemsOf(split).slice(0, count),
  reward: askedOneByOne,
  grade: askedOneByOne,
  inBatches: { reward, grade },
};

function askedOneByOne(): never {
  throw new Error('completions of the task code are rewarded and graded in batches');
}

/**
 * `tests` is the share of tests that pass, with a small part for a program that parses and a smaller one for a completion
 * that is code and nothing else; `all-tests` is 1 where every test passes.
 */
async function reward(
  questions: readonly RewardQuestion<CodeRow>[],
  format: PromptFormat,
  signal?: AbortSignal,
): Promise<(Reward | NoReward)[]> {
  for (const { reward: name } of questions)
    if (!code.rewards.includes(name))
      throw new UsageError(`Unknown reward ${name} of code; it has ${code.rewards.join(', ')}.`);
  const verdicts = await verdictsOf(questions, format, signal);
  return Promise.all(
    questions.map(async ({ row, completion, reward: name }, index): Promise<Reward | NoReward> => {
      const verdict = verdicts[index] as Verdict;
      if (verdict.outcome === 'broken') return { broken: verdict.reason };
      const share = shareOf(verdict) as number;
      if (name === 'all-tests') {
        const tests = share === 1 ? 1 : 0;
        return { total: tests, parts: { tests }, report: verdict };
      }
      const program = candidateProgram(row, completion, format);
      const parts = {
        tests: worth.tests * share,
        parses: program && (await isWellFormed(row.language, program.source)) ? worth.parses : 0,
        format: program && isCodeAlone(completion, format) ? worth.format : 0,
      };
      return { total: parts.tests + parts.parses + parts.format, parts, report: verdict };
    }),
  );
}

async function grade(
  answers: readonly { readonly row: CodeRow; readonly completion: string }[],
  { format }: GradeOptions,
  signal?: AbortSignal,
): Promise<Grade[]> {
  const verdicts = await verdictsOf(answers, format, signal);
  return answers.map(({ row, completion }, index) => {
    const verdict = verdicts[index] as Verdict;
    if (verdict.outcome === 'broken')
      throw new UserError(`The tests of ${row.entry_point} cannot be run: ${verdict.reason}; mend that and try again.`);
    const correct = shareOf(verdict) === 1;
    const extracted = candidateProgram(row, completion, format)?.code ?? null;
    return { correct, extracted, scores: { 'pass@1': { value: Number(correct), weight: 1 } } };
  });
}

function verdictsOf(
  items: readonly { readonly row: CodeRow; readonly completion: string }[],
  format: PromptFormat,
  signal?: AbortSignal,
): Promise<Verdict[]> {
  const judged = items.map(({ row, completion }) => ({
    row,
    source: candidateProgram(row, completion, format)?.source ?? null,
  }));
  return judge(judged, { signal });
}

/** Whether a completion keeps to the form that was asked for: the body as it is, or one fenced block in the answer. */
function isCodeAlone(completion: string, format: PromptFormat): boolean {
  if (format === 'plain') return !completion.includes('```') && !completion.includes('<answer>');
  return /^[^`]*<answer>\s*```\w*\n[^`]*```\s*<\/answer>\s*$/.test(completion);
}

const taggedPrompt = (
  row: CodeRow,
): string => `Complete this function so that it does what its comment and its name say.

${fenced(row, row.prompt)}

Respond in the following format:
<reasoning>
...
</reasoning>
<answer>
${fenced(row, '...\n')}
</answer>`;

const fenced = ({ language }: CodeRow, text: string): string => `\`\`\`${language}\n${text.trimEnd()}\n\`\`\``;

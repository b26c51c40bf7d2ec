import { UserError } from '../../platform/errors.ts';
import type { Random } from '../../platform/random.ts';
import { isWellFormed } from '../../syntax/trees.ts';
import { passRate, type Verdict } from '../../workspace/verdict.ts';
import type { Grade, GradeOptions, PromptFormat, Reward, RewardQuestion, ScoringError, Task } from '../task.ts';
import { judge } from './judge.ts';
import { problemsOf } from './problem-files.ts';
import { candidateProgram } from './program.ts';
import { checkCodeRewards, codeReward } from './reward.ts';
import { type CodeRow, codeRow } from './row.ts';
import { smallSteps } from './small-steps.ts';

/** Functions to write, judged by tests that run in the sandbox: HumanEval-style rows, or the small set that is shipped. */
export const code: Task<CodeRow> = {
  name: 'code',
  description: 'Write a function that passes its tests',
  metrics: ['pass@1'],
  rewards: ['tests', 'all-tests'],
  tuning: smallSteps,
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

async function reward(
  questions: readonly RewardQuestion<CodeRow>[],
  format: PromptFormat,
  signal?: AbortSignal,
): Promise<(Reward | ScoringError)[]> {
  checkCodeRewards(code, questions);
  const verdicts = await verdictsOf(questions, format, signal);
  return Promise.all(
    questions.map(async ({ row, completion, reward: name }, index) => {
      const program = candidateProgram(row, completion, format);
      const parses = program !== null && (await isWellFormed(row.language, program.source)) === true;
      return codeReward(verdicts[index] as Verdict, { name, completion, format, parses });
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
    const correct = passRate(verdict) === 1;
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

import type { Random } from '../../platform/random.ts';
import { isWellFormed } from '../../syntax/trees.ts';
import type { Scorer, Task } from '../task.ts';
import { judge } from './judge.ts';
import { problemsOf } from './problem-files.ts';
import { type CandidateProgram, candidateProgram } from './program.ts';
import { codeRewards } from './reward.ts';
import { type CodeRow, codeFields, codeRow, declaredNames } from './row.ts';
import { smallSteps } from './small-steps.ts';
import { testScorer } from './test-scorer.ts';

/** Write a function that passes its tests, which run in the sandbox. Rows are HumanEval-style, or from the bundled set. */
export const code: Task<CodeRow> = {
  name: 'code',
  description: 'Write a function that passes its tests',
  metrics: ['pass@1'],
  rewards: codeRewards,
  tuning: smallSteps,
  completionLength: { tagged: 512, plain: 96 },
  parse: codeRow,
  contentKeys({ prompt, suffix = '', tests }) {
    const promptKey = `prompt ${singleSpaced(prompt + suffix)}`;
    return tests === '' ? [promptKey] : [promptKey, `tests ${singleSpaced(tests)}`];
  },
  prompt: (row, format) => (format === 'plain' ? row.prompt : taggedPrompt(row)),
  fields: codeFields,
  suffix: (row) => row.suffix ?? '',
  solution(row, format) {
    if (row.solution === undefined) return null;
    return format === 'plain' ? row.solution : `<answer>\n${fenced(row, wholeSolution(row, row.solution))}\n</answer>`;
  },
  generate: (random: Random) => random.pick(problemsOf('training')),
  heldOut: (split, count) => problemsOf(split).slice(0, count),
  scorer: codeScorer('code'),
};

/** Scores completions of a task with code rows by the rows' tests. */
export function codeScorer(task: string): Scorer<CodeRow> {
  return testScorer<CodeRow, CandidateProgram>({
    task,
    rewards: codeRewards,
    functionName: (row) => row.entry_point,
    candidate: candidateProgram,
    judge: (candidates, options) =>
      judge(
        candidates.map(({ row, candidate }) => ({
          row,
          source: candidate?.source ?? null,
          code: candidate?.code ?? '',
        })),
        options,
      ),
    parses: async ({ language }, { source }) => (await isWellFormed(language, source)) === true,
  });
}

const singleSpaced = (text: string): string => text.replace(/\s+/g, ' ').trim();

const taggedPrompt = (row: CodeRow): string => `${request(row)}

Respond in the following format:
<reasoning>
...
</reasoning>
<answer>
${fenced(row, '...\n')}
</answer>`;

function request(row: CodeRow): string {
  if (row.suffix !== undefined)
    return `Write the code that is missing between these two parts of a program.\n\n${fenced(row, row.prompt)}\n\n${fenced(row, row.suffix)}`;
  return row.declaration === undefined
    ? `Complete this function so that it does what its comment and its name say.\n\n${fenced(row, row.prompt)}`
    : `${row.prompt.trimEnd()}\n\n${fenced(row, row.declaration)}`;
}

const fenced = ({ language }: CodeRow, text: string): string => `\`\`\`${language}\n${text.trimEnd()}\n\`\`\``;

/** The function as a whole; a gap alone, and a solution that declares the function itself, as they are. */
const wholeSolution = (row: CodeRow, solution: string): string =>
  row.suffix !== undefined ||
  row.eval_prompt !== undefined ||
  declaredNames(solution, row.language).includes(row.entry_point)
    ? solution
    : (row.declaration ?? row.prompt) + solution;

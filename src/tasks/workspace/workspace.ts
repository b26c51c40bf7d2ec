import { UserError } from '../../platform/errors.ts';
import { isWellFormed } from '../../syntax/trees.ts';
import { passRate, type Verdict } from '../../workspace/verdict.ts';
import { codeIn, mostCharacters } from '../code/program.ts';
import { checkCodeRewards, codeReward } from '../code/reward.ts';
import { smallSteps } from '../code/small-steps.ts';
import type { Grade, GradeOptions, PromptFormat, Reward, RewardQuestion, ScoringError, Task } from '../task.ts';
import { judgeBodies, withBody } from './judge.ts';
import { plainPrompt, shownSuffix, taggedPrompt } from './prompt.ts';
import { type WorkspaceRow, workspaceRow } from './row.ts';

/** Functions of a workspace, judged by the workspace's own tests. `unmask discover` finds them. */
export const workspace: Task<WorkspaceRow> = {
  name: 'workspace',
  description: 'Write a function of a workspace so that its tests pass',
  metrics: ['pass@1'],
  rewards: ['tests', 'all-tests'],
  tuning: smallSteps,
  completionLength: { tagged: 512, plain: 96 },
  parse: workspaceRow,
  prompt: (row, format) => (format === 'plain' ? plainPrompt(row) : taggedPrompt(row)),
  suffix: shownSuffix,
  solution: ({ body }, format) => (format === 'plain' ? body : `<answer>\n\`\`\`\n${body}\n\`\`\`\n</answer>`),
  reward: askedOneByOne,
  grade: askedOneByOne,
  inBatches: { reward, grade },
};

function askedOneByOne(): never {
  throw new Error('completions of the task workspace are rewarded and graded in batches');
}

async function reward(
  questions: readonly RewardQuestion<WorkspaceRow>[],
  format: PromptFormat,
  signal?: AbortSignal,
): Promise<(Reward | ScoringError)[]> {
  checkCodeRewards(workspace, questions);
  const verdicts = await judgeBodies(
    questions.map((question) => bodyOf(question, format)),
    signal,
  );
  return Promise.all(
    questions.map(async ({ row, completion, reward: name }, index) => {
      const { body } = bodyOf({ row, completion }, format);
      const parses = body !== null && (await isWellFormed(row.language, await withBody(row, body))) === true;
      return codeReward(verdicts[index] as Verdict, { name, completion, format, parses });
    }),
  );
}

async function grade(
  answers: readonly { readonly row: WorkspaceRow; readonly completion: string }[],
  { format }: GradeOptions,
  signal?: AbortSignal,
): Promise<Grade[]> {
  const bodies = answers.map((given) => bodyOf(given, format));
  const verdicts = await judgeBodies(bodies, signal);
  return bodies.map(({ row, body }, index) => {
    const verdict = verdicts[index] as Verdict;
    if (verdict.outcome === 'broken')
      throw new UserError(`The tests of ${row.function} cannot be run: ${verdict.reason}; mend that and try again.`);
    const correct = passRate(verdict) === 1;
    return { correct, extracted: body, scores: { 'pass@1': { value: Number(correct), weight: 1 } } };
  });
}

function bodyOf(
  { row, completion }: { readonly row: WorkspaceRow; readonly completion: string },
  format: PromptFormat,
) {
  const body = completion.length > mostCharacters ? '' : codeIn(completion, format);
  return { row, body: body.trim() === '' ? null : body };
}

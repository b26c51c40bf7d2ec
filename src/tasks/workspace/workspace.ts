import { isWellFormed } from '../../syntax/trees.ts';
import { functionKeys } from '../../workspace/content-keys.ts';
import { codeIn, maxCharacters } from '../code/program.ts';
import { codeRewards } from '../code/reward.ts';
import { smallSteps } from '../code/small-steps.ts';
import { testScorer } from '../code/test-scorer.ts';
import type { Task } from '../task.ts';
import { judgeBodies, withBody } from './judge.ts';
import { lessons } from './lessons.ts';
import { plainPrompt, shownSuffix, taggedPrompt } from './prompt.ts';
import { type WorkspaceRow, workspaceRow } from './row.ts';

/** Write functions of a workspace that the workspace's own tests cover. `unmask discover` finds them. */
export const workspace: Task<WorkspaceRow> = {
  name: 'workspace',
  description: 'Write a function of a workspace so that its tests pass',
  metrics: ['pass@1'],
  rewards: codeRewards,
  tuning: smallSteps,
  completionLength: { tagged: 512, plain: 96 },
  parse: workspaceRow,
  contentKeys: functionKeys,
  prompt: (row, format) => (format === 'plain' ? plainPrompt(row) : taggedPrompt(row)),
  suffix: shownSuffix,
  decodedAsInEditor: true,
  solution: ({ body }, format) => (format === 'plain' ? body : `<answer>\n\`\`\`\n${body}\n\`\`\`\n</answer>`),
  scorer: testScorer<WorkspaceRow, { readonly code: string }>({
    task: 'workspace',
    rewards: codeRewards,
    functionName: (row) => row.function,
    candidate(_, completion, format) {
      if (completion.length > maxCharacters) return null;
      const code = codeIn(completion, format);
      return code.trim() === '' ? null : { code };
    },
    judge: (candidates, options) =>
      judgeBodies(
        candidates.map(({ row, candidate }) => ({ row, body: candidate?.code ?? null })),
        options,
      ),
    testWeight: ({ testWeight = 1 }) => testWeight,
    parses: async (row, { code }) => (await isWellFormed(row.language, await withBody(row, code))) === true,
  }),
  lessons,
};

import { UserError } from '../platform/errors.ts';
import type { Reward, ScoringError, Task } from '../tasks/task.ts';
import { jobId, type RewardMessage, writeMessage } from './messages.ts';
import type { SharedJob, SharedWork } from './shared-work.ts';

type Rewards = readonly (Reward | ScoringError)[];

/** Whether workers may compute the rewards of a task: those of workspaces need the workspace, and others than tests take no time. */
export const sharesRewards = ({ name, scorer }: Task): boolean => scorer.runsTests && name !== 'workspace';

/** The task with a scorer that divides completions by their problems and shares them. */
export function withSharedRewards(task: Task, run: string, work: SharedWork<Rewards>): Task {
  const { scorer } = task;
  const reward: typeof scorer.reward = async (requests, format, options = {}) => {
    const signal = options.signal ?? new AbortController().signal;
    const groups = groupedByRow(requests.map(({ row }) => row));
    const jobs = groups.map((indices): SharedJob<Rewards> => {
      const own = indices.map((index) => requests[index]!);
      const message: RewardMessage = {
        ...{ kind: 'rewards', run, task: task.name, format },
        requests: own.map(({ row, completion, reward: name }) => ({ row, completion, reward: name })),
      };
      return {
        id: jobId(message),
        message: writeMessage(message),
        computeHere: (stop) => scorer.reward(own, format, { signal: stop }),
        read(result) {
          if (result.kind !== 'rewards' || result.rewards.length !== own.length)
            throw new UserError('A result does not fit its job; it was dropped.');
          return result.rewards as Rewards;
        },
      };
    });
    let done = 0;
    const shared = work.share(jobs, signal).map(async (job, index) => {
      const rewards = await job;
      done += groups[index]!.length;
      options.onProgress?.(done, requests.length);
      return rewards;
    });
    const results: (Reward | ScoringError)[] = [];
    for (const [group, rewards] of (await Promise.all(shared)).entries())
      for (const [at, index] of groups[group]!.entries()) results[index] = rewards[at]!;
    return results;
  };
  return { ...task, scorer: { runsTests: scorer.runsTests, reward, grade: scorer.grade.bind(scorer) } };
}

/** The indices of equal problems. */
function groupedByRow(rows: readonly unknown[]): number[][] {
  const groups = new Map<string, number[]>();
  for (const [index, row] of rows.entries()) {
    const key = JSON.stringify(row);
    const group = groups.get(key);
    if (group) group.push(index);
    else groups.set(key, [index]);
  }
  return [...groups.values()];
}

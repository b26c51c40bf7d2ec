import { completionNames } from './completions.ts';
import { matmulWork } from './matmul-work.ts';
import { reference } from './reference-model.ts';
import { workerNames } from './worker-rollouts.ts';
import type { WorkName } from './works.ts';

/** A workload that is compared with a peer, and the unit of its speed. */
export interface Measurement {
  /** The workload, with a variant after a colon. */
  readonly name: string;
  readonly work: WorkName;
  readonly threads: 'all' | 'one';
  readonly unit: 'tokens/s' | 'GFLOP/s';
  /** Amount of work per run in its unit; `rolloutTokens` is the number of completion tokens of a set of rollouts. */
  readonly amount: (work: { readonly rolloutTokens: number }) => number;
  /** Target for the ratio to the peer. */
  readonly target?: number;
}

const stepTokens = () => reference.batch * reference.length;
const products = () => (matmulWork.inARow * 2 * matmulWork.size ** 3) / 1e9;

/** In order of execution. The training step is first, because its peak memory is that of the process. */
export const measurements: readonly Measurement[] = [
  { name: 'train-step', work: 'train-step', threads: 'all', unit: 'tokens/s', amount: stepTokens, target: 1.5 },
  { name: 'train-step:1-thread', work: 'train-step', threads: 'one', unit: 'tokens/s', amount: stepTokens },
  { name: 'forward', work: 'forward', threads: 'all', unit: 'tokens/s', amount: stepTokens, target: 1 },
  {
    name: 'forward:1x128',
    work: 'forward:1x128',
    threads: 'one',
    unit: 'tokens/s',
    amount: () => reference.length,
    target: 1,
  },
  {
    name: 'rollouts',
    work: 'rollouts',
    threads: 'all',
    unit: 'tokens/s',
    amount: ({ rolloutTokens }) => rolloutTokens,
  },
  {
    name: 'spg-step',
    work: 'spg-step',
    threads: 'all',
    unit: 'tokens/s',
    amount: ({ rolloutTokens }) => rolloutTokens,
  },
  { name: 'matmul', work: 'matmul', threads: 'all', unit: 'GFLOP/s', amount: products },
];

/** Name of the peak memory of the process that ran the training steps; measured together with them. */
export const memoryName = 'train-step:memory';

/** Names of the start-up measurements: seconds from start to exit of a command. */
export const startUps = ['start-up', 'start-up:first-forward'] as const;

/**
 * Names of the scoring measurements: programs of the task `code` judged per second, each in its own process and sandbox;
 * and candidates scored per second by the tests of a workspace.
 */
export const verdictNames = ['verdicts', 'verdicts:node-test', 'verdicts:node-test-typescript'] as const;

/** Name of the measurement of how long it takes to find the functions that a workspace's tests cover. */
export const discoveryName = 'discovery';

export const benchNames: readonly string[] = [
  ...measurements.flatMap(({ name }) => (name === 'train-step' ? [name, memoryName] : [name])),
  ...completionNames,
  ...startUps,
  ...verdictNames,
  discoveryName,
  ...workerNames,
];

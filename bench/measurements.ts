import { completionNames } from './completions.ts';
import { matmulWork } from './matmul-work.ts';
import { reference } from './reference-model.ts';
import type { WorkName } from './works.ts';

/** A work that is measured with a peer, and how its speed is counted. */
export interface Measurement {
  /** The work; a variant of it stands after a colon. */
  readonly name: string;
  readonly work: WorkName;
  readonly threads: 'all' | 'one';
  readonly unit: 'tokens/s' | 'GFLOP/s';
  /** How much of its unit one run does; `rolloutTokens` are the completion tokens of one set of rollouts. */
  readonly amount: (work: { readonly rolloutTokens: number }) => number;
  /** How far ahead of the peer we want to be. */
  readonly target?: number;
}

const stepTokens = () => reference.batch * reference.length;
const products = () => (matmulWork.inARow * 2 * matmulWork.size ** 3) / 1e9;

/** In the order in which they are made: the training step comes first, for its peak memory is that of its process. */
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

/** The peak memory of the process that made the training steps; it comes with them. */
export const memoryName = 'train-step:memory';

/** Commands whose seconds from start to exit are measured. */
export const startUps = ['start-up', 'start-up:first-forward'] as const;

/**
 * Programs that the sandbox judges in a second, the peer is the same harness without it; and candidates that the tests of a
 * workspace judge.
 */
export const verdictNames = ['verdicts', 'verdicts:node-test', 'verdicts:node-test-typescript'] as const;

/** Seconds in which the functions of a workspace are found that its tests guard. */
export const discoveryName = 'discovery';

export const benchNames: readonly string[] = [
  ...measurements.flatMap(({ name }) => (name === 'train-step' ? [name, memoryName] : [name])),
  ...completionNames,
  ...startUps,
  ...verdictNames,
  discoveryName,
];

/** One completion of a step, a line of `samples/step-NNNNNN.jsonl`. */
export interface SampleRecord {
  readonly prompt: string;
  readonly completion: string;
  /** The reward's parts by name, and their sum as `total`. */
  readonly rewards: Readonly<Record<string, number>>;
  /** Details of the rewards, if the task has any: for code, the results of its tests or why there are none. */
  readonly report?: unknown;
  /** Reward minus the mean of its group. */
  readonly advantage: number;
  /** Number of policy updates before this sample. */
  readonly policyVersion: number;
  /** Reproduces the rollout, with the policy version. */
  readonly seed: number;
  /** Token ids of the completion, [length]. */
  readonly tokens: readonly number[];
  /** Denoising step, from 0, that revealed each token, [length]. */
  readonly revealedAt: readonly number[];
  /** Probability of each token when it was revealed, [length]. */
  readonly confidence: readonly number[];
}

/** The canvas after one denoising step: lists of equal length, with one entry per position. */
export interface Frame {
  /** Denoising step, from 0. */
  readonly step: number;
  /** The text of each token; null where the position is still masked. */
  readonly tokens: readonly (string | null)[];
  /** The step that revealed or last edited each token; null where masked. */
  readonly revealedAt: readonly (number | null)[];
  /** Probability of the token when it was revealed; null where masked. */
  readonly confidence: readonly (number | null)[];
  /** Alternative tokens when the token was revealed, most likely first; absent if they were not recorded. */
  readonly runnersUp?: readonly (readonly RunnerUp[] | null)[];
}

/** An alternative token and its probability. */
export interface RunnerUp {
  readonly token: string;
  readonly probability: number;
}

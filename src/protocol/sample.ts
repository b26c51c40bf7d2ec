/** One completion of a step, a line of `samples/step-NNNNNN.jsonl`. */
export interface SampleRecord {
  readonly prompt: string;
  readonly completion: string;
  /** The reward's parts by name, and their sum as `total`. */
  readonly rewards: Readonly<Record<string, number>>;
  /** What the rewards follow from, where the task tells: for code the verdict of its tests, or why there is none. */
  readonly report?: unknown;
  /** Reward minus the mean of its group. */
  readonly advantage: number;
  /** Number of updates that the policy had seen when it wrote this. */
  readonly policyVersion: number;
  /** Reproduces the rollout, with the policy version. */
  readonly seed: number;
  /** Token ids of the completion, [length]. */
  readonly tokens: readonly number[];
  /** Denoising step, from 0, that fixed each token, [length]. */
  readonly revealedAt: readonly number[];
  /** Probability that the model gave each token when it was fixed, [length]. */
  readonly confidence: readonly number[];
}

/** The canvas after one denoising step: three lists of one length, one entry per position. */
export interface Frame {
  /** Denoising step, from 0. */
  readonly step: number;
  /** The text of each token; null where the position is still masked. */
  readonly tokens: readonly (string | null)[];
  /** The step that fixed each token last (an edit counts); null where masked. */
  readonly revealedAt: readonly (number | null)[];
  /** Probability that the model gave the token when it was fixed; null where masked. */
  readonly confidence: readonly (number | null)[];
  /** What the model would have written instead, likeliest first, when it fixed the token; absent where nobody kept it. */
  readonly runnersUp?: readonly (readonly RunnerUp[] | null)[];
}

/** A token that was not taken, and its probability. */
export interface RunnerUp {
  readonly token: string;
  readonly probability: number;
}

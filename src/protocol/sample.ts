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
  /** How the completion was constrained, if it was decoded as an editor decodes a gap; otherwise absent. */
  readonly infilling?: SampleInfilling;
}

/** The constraints under which a gap was filled. */
export interface SampleInfilling {
  /** Tokens of the canvas. */
  readonly width: number;
  /** The end of the prompt that the first tokens spell (token healing); empty: nothing. */
  readonly healedPrefix: string;
  /** Tokens at the end of the canvas that follow the end of the middle, so that the model did not choose them. */
  readonly forcedTokens: number;
  /** Tokens that were replaced when the end of the middle was revealed before them, and the step that had revealed each. */
  readonly overwritten?: readonly { readonly position: number; readonly token: number; readonly revealedAt: number }[];
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

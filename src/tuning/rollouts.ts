import type { Denoised, TokenPrediction } from '../diffusion/canvas.ts';
import { type DecodingOptions, denoise } from '../diffusion/denoise.ts';
import { prefixConstraints } from '../diffusion/token-healing.ts';
import { betweenSteps, gapOf, readCompletion, splitPrompt } from '../evaluation/answers.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { PromptFormat, Reward, ScoringError, ScoringOptions, Task } from '../tasks/task.ts';
import type { InfillContext } from './likelihoods/canvas-batch.ts';
import type { PolicyWeights } from './past-policies.ts';

/**
 * A completion to be generated and scored, as a plain record without closures and tensors, so that it can be queued,
 * stored or sent to another process.
 */
export interface RolloutJob {
  readonly task: string;
  readonly row: unknown;
  readonly prompt: string;
  /** The text after the completion, for models that fill gaps; default: empty. */
  readonly suffix?: string;
  /** Number of updates that the policy had before this step. */
  readonly policyVersion: number;
  readonly seed: number;
  readonly decoding: DecodingOptions;
}

/** A generated completion in its context, with the record of how it was decoded (see `Denoised`). */
export interface Rollout extends InfillContext {
  readonly job: RolloutJob;
  readonly tokens: Int32Array;
  readonly revealedAt: Int32Array;
  readonly confidence: Float32Array;
  readonly entropy: Float32Array;
  readonly forwards: number;
  /** The healed prefix: the end of the prompt that the first tokens spell again; default: empty. */
  readonly healed?: string;
  /** Number of tokens after the end of the middle, which are set without a prediction; default: 0. */
  readonly forcedTokens?: number;
  /** Tokens that were replaced because the end of the middle was revealed to their left. */
  readonly overwritten?: readonly TokenPrediction[];
  /** Number of tokens up to and including the first end of text. */
  readonly length: number;
  /** The completion's text, without the healed prefix. */
  readonly completion: string;
  /** The edits made after the draft, if any; `tokens` are then those after the last edit. */
  readonly edits?: readonly Edit[];
}

/** A pass over a complete text that replaced some of its tokens. */
export interface Edit {
  /** The completion's tokens before the pass. */
  readonly before: Int32Array;
  readonly positions: readonly number[];
  /** The new token at each of these positions. */
  readonly tokens: readonly number[];
}

/** Progress and cancellation of a batch of rollouts. */
export interface RolloutHooks {
  /** Checked between two denoising steps; if it is aborted, its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Called before each denoising step with the share of completed steps, 0 to 1. */
  readonly onStep?: ((share: number) => void) | undefined;
}

/** The part of a job that determines its completion. */
export type CompletionJob = Pick<RolloutJob, 'prompt' | 'suffix' | 'seed' | 'decoding'>;

/** Generates the completions of jobs that share their decoding options, as one batch. */
export async function generateRollouts(
  model: LanguageModel,
  jobs: readonly RolloutJob[],
  hooks: RolloutHooks = {},
): Promise<Rollout[]> {
  return rolloutsOf(model, jobs, await denoiseJobs(model, jobs, hooks));
}

/** Denoises the completions of jobs that share their decoding options, as one batch. */
export function denoiseJobs(
  model: LanguageModel,
  jobs: readonly CompletionJob[],
  hooks: RolloutHooks = {},
): Promise<Denoised[]> {
  const { decoding } = jobs[0]!;
  const { promptOf, suffixOf } = contextReaders(model, decoding);
  return denoise(model, {
    prompts: jobs.map(({ prompt }) => promptOf(prompt).tokens),
    suffixes: jobs.map(({ suffix = '' }) => suffixOf(suffix)),
    seeds: jobs.map(({ seed }) => seed),
    options: decoding,
    checkCancelled: betweenSteps(decoding, hooks),
    ...gapOf(
      model,
      decoding,
      jobs.map(({ prompt }) => promptOf(prompt).healed),
    ),
  });
}

/** The rollouts of jobs, read from their denoised canvases. */
export function rolloutsOf(
  model: LanguageModel,
  jobs: readonly RolloutJob[],
  canvases: readonly Denoised[],
): Rollout[] {
  const { decoding } = jobs[0]!;
  const { promptOf, suffixOf } = contextReaders(model, decoding);
  return canvases.map((denoised, index) => {
    const job = jobs[index] as RolloutJob;
    const { tokens: prompt, healed } = promptOf(job.prompt);
    const { completion, length } = readCompletion(model, denoised, { ...decoding, healed });
    const context = { prompt, suffix: suffixOf(job.suffix ?? '') };
    const { tokenizer, config } = model;
    return {
      job,
      ...context,
      ...(healed === ''
        ? {}
        : { healed, constraints: prefixConstraints(denoised.tokens, healed, tokenizer, config.vocab_size) }),
      ...(decoding.infilling ? { forcedTokens: denoised.tokens.length - length } : {}),
      completion,
      length,
      ...denoised,
    };
  });
}

/** Functions that encode the texts before and after a completion. */
function contextReaders(model: LanguageModel, decoding: DecodingOptions) {
  return {
    promptOf: memoize((prompt) => splitPrompt(model, prompt, model.generation.prompt_format, decoding)),
    suffixOf: memoize((suffix) => Int32Array.from(model.tokenizer.encode(suffix))),
  };
}

/** Caches the results of `make` by text, because the completions of a group share their prompt. */
function memoize<T>(make: (text: string) => T): (text: string) => T {
  const made = new Map<string, T>();
  return (text) => {
    if (!made.has(text)) made.set(text, make(text));
    return made.get(text) as T;
  };
}

/** A batch of rollouts, and the number of tokens that the model's passes read for it. */
export interface GeneratedBatch {
  readonly rollouts: readonly Rollout[];
  readonly tokens: number;
}

/** Generates a batch with the current policy in this process. */
export type GenerateHere = (batch: readonly RolloutJob[], signal: AbortSignal) => Promise<GeneratedBatch>;

/** Decides who generates the batches of a step. Returns a promise for each batch, in order. */
export type GenerateBatches = (
  batches: readonly (readonly RolloutJob[])[],
  generateHere: GenerateHere,
  context: {
    readonly step: number;
    readonly signal: AbortSignal;
    /** The trained weights of the policy that generates; absent: the model's. */
    readonly weights?: PolicyWeights | undefined;
  },
) => readonly Promise<GeneratedBatch>[];

/** Generates all batches in this process, one after the other. After a failure, the later ones fail with the same error. */
export const oneAfterAnother: GenerateBatches = (batches, generateHere, { signal }) => {
  let last: Promise<unknown> = Promise.resolve();
  return batches.map((batch) => {
    const generated = last.then(() => {
      signal.throwIfAborted();
      return generateHere(batch, signal);
    });
    generated.catch(() => undefined);
    last = generated;
    return generated;
  });
};

/** How the rollouts of one step are generated and scored. */
export interface GenerationPlan {
  /** The jobs, divided into those that are generated together. */
  readonly batches: readonly (readonly RolloutJob[])[];
  /** Number of batches that are scored together. */
  readonly scoredTogether: number;
  /** `signal` is aborted when no more rollouts are needed. */
  readonly generate: (
    batches: readonly (readonly RolloutJob[])[],
    signal: AbortSignal,
  ) => readonly Promise<GeneratedBatch>[];
  /** Computes rewards; `signal` is aborted when they are no longer needed. */
  readonly score: (rollouts: readonly Rollout[], signal: AbortSignal) => Promise<(Reward | ScoringError)[]>;
  /** Cancels the step. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Generates completions in batches, and scores them while others are generated. Batches may be generated in any order. Rollouts
 * and rewards are in the order of the jobs; `rewards` waits until all are scored. On a failure or cancellation, generation and
 * scoring are cancelled, and the error is thrown after everything has ended.
 */
export async function generateAndScore({ batches, scoredTogether, generate, score, signal }: GenerationPlan) {
  const failed = new AbortController();
  const stop = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
  const scores: { readonly batches: readonly number[]; readonly rewards: Promise<(Reward | ScoringError)[]> }[] = [];
  const generated: GeneratedBatch[] = [];
  let unscored: number[] = [];
  let left = batches.length;
  const scoreWhenEnough = (index: number) => {
    unscored.push(index);
    left--;
    if (left > 0 && unscored.length < scoredTogether) return;
    const rewards = score(
      unscored.flatMap((each) => generated[each]!.rollouts),
      stop,
    );
    rewards.catch((error: unknown) => failed.abort(error));
    scores.push({ batches: unscored, rewards });
    unscored = [];
  };
  const generating = generate(batches, stop).map(async (batch, index) => {
    generated[index] = await batch;
    stop.throwIfAborted();
    scoreWhenEnough(index);
  });
  const endAll = async (error: unknown): Promise<never> => {
    failed.abort(error);
    await Promise.allSettled([...generating, ...scores.map(({ rewards }) => rewards)]);
    throw error;
  };
  await Promise.all(generating).catch(endAll);
  const rewards = async () => {
    const all = await Promise.all(scores.map(({ rewards }) => rewards)).catch(endAll);
    const ofBatch: (Reward | ScoringError)[][] = [];
    for (const [index, scored] of all.entries()) {
      let begin = 0;
      for (const batch of scores[index]!.batches) {
        const end = begin + generated[batch]!.rollouts.length;
        ofBatch[batch] = scored.slice(begin, end);
        begin = end;
      }
    }
    return ofBatch.flat();
  };
  return {
    rollouts: generated.flatMap(({ rollouts }) => rollouts),
    tokens: generated.reduce((sum, { tokens }) => sum + tokens, 0),
    rewards,
  };
}

/** Rewards of rollouts. Equal completions of a problem are scored once; progress counts distinct completions. */
export async function scoreRollouts(
  task: Task,
  rollouts: readonly Pick<Rollout, 'job' | 'completion'>[],
  reward: string,
  format: PromptFormat,
  options?: ScoringOptions,
): Promise<(Reward | ScoringError)[]> {
  /** The index of each distinct completion among the scored ones. */
  const indices = new Map<string, number>();
  const scoredIndices = rollouts.map(({ job, completion }) => {
    const key = JSON.stringify([job.row, completion]);
    const index = indices.get(key) ?? indices.size;
    indices.set(key, index);
    return index;
  });
  const distinct = [...indices.values()].map((index) => rollouts[scoredIndices.indexOf(index)] as Rollout);
  const requests = distinct.map(({ job, completion }) => ({ row: job.row, completion, reward }));
  const rewards = await task.scorer.reward(requests, format, options);
  return scoredIndices.map((index) => rewards[index] as Reward | ScoringError);
}

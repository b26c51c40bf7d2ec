import { type DecodingOptions, denoise } from '../diffusion/denoise.ts';
import { promptTokens, readCompletion } from '../evaluation/answers.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { PromptFormat, Reward, ScoringError, ScoringOptions, Task } from '../tasks/task.ts';
import type { InfillContext } from './likelihoods/canvas-batch.ts';

/**
 * A completion to be written and rewarded, as a plain record: it holds no closure and no tensor, so that a rollout can
 * be queued, stored or sent to another process.
 */
export interface RolloutJob {
  readonly task: string;
  readonly row: unknown;
  readonly prompt: string;
  /** What stands behind the completion, for models that fill gaps; absent: nothing. */
  readonly suffix?: string;
  /** Number of updates the policy has seen. */
  readonly policyVersion: number;
  readonly seed: number;
  readonly decoding: DecodingOptions;
}

export interface Rollout extends InfillContext {
  readonly job: RolloutJob;
  readonly tokens: Int32Array;
  readonly revealedAt: Int32Array;
  readonly confidence: Float32Array;
  readonly entropy: Float32Array;
  readonly forwards: number;
  /** Tokens up to and with the first end of text. */
  readonly length: number;
  readonly completion: string;
  /** How the text came from its draft, where it was edited; `tokens` are then those after the last edit. */
  readonly edits?: readonly Edit[];
}

/** A pass that read a whole text and replaced some of its tokens. */
export interface Edit {
  /** The completion's tokens before the pass. */
  readonly before: Int32Array;
  readonly places: readonly number[];
  /** The new token of each place. */
  readonly tokens: readonly number[];
}

/** Writes the completions of jobs that share their decoding options, as one batch. */
export async function generateRollouts(model: LanguageModel, jobs: readonly RolloutJob[]): Promise<Rollout[]> {
  const promptOf = onceEach((prompt) => promptTokens(model, prompt, model.generation.prompt_format));
  const suffixOf = onceEach((suffix) => Int32Array.from(model.tokenizer.encode(suffix)));
  const results = await denoise(model, {
    prompts: jobs.map(({ prompt }) => promptOf(prompt)),
    suffixes: jobs.map(({ suffix = '' }) => suffixOf(suffix)),
    seeds: jobs.map(({ seed }) => seed),
    options: jobs[0]!.decoding,
  });
  return results.map((denoised, index) => {
    const job = jobs[index] as RolloutJob;
    const { completion, length } = readCompletion(model, denoised);
    const surroundings = { prompt: promptOf(job.prompt), suffix: suffixOf(job.suffix ?? '') };
    return { job, ...surroundings, completion, length, ...denoised };
  });
}

/** `make` that makes the same of the same text, and only once. */
function onceEach<T>(make: (text: string) => T): (text: string) => T {
  const made = new Map<string, T>();
  return (text) => {
    if (!made.has(text)) made.set(text, make(text));
    return made.get(text) as T;
  };
}

/** How rollouts of one step come about, and what they earn. */
export interface GenerationPlan {
  readonly jobs: readonly RolloutJob[];
  /** Jobs that are written at a time. */
  readonly chunkSize: number;
  readonly generate: (jobs: readonly RolloutJob[]) => Promise<Rollout[]>;
  readonly score: (rollouts: readonly Rollout[]) => Promise<(Reward | ScoringError)[]>;
}

/** Writes completions in waves; what one earns is found out while the next is written. In the order of the jobs. */
export async function generateAndScore({ jobs, chunkSize, generate, score }: GenerationPlan) {
  const rollouts: Rollout[] = [];
  const earning: Promise<(Reward | ScoringError)[]>[] = [];
  try {
    for (let start = 0; start < jobs.length; start += chunkSize) {
      const written = await generate(jobs.slice(start, start + chunkSize));
      rollouts.push(...written);
      earning.push(score(written));
      // Whoever waits below hears of it; nobody does yet.
      earning.at(-1)!.catch(() => undefined);
    }
  } catch (error) {
    await Promise.allSettled(earning);
    throw error;
  }
  return { rollouts, rewards: async () => (await Promise.all(earning)).flat() };
}

/** Rewards rollouts. Equal completions of the same problem are scored once; progress counts the distinct ones. */
export async function scoreRollouts(
  task: Task,
  rollouts: readonly Pick<Rollout, 'job' | 'completion'>[],
  reward: string,
  format: PromptFormat,
  options?: ScoringOptions,
): Promise<(Reward | ScoringError)[]> {
  const places = new Map<string, number>();
  const asked = rollouts.map(({ job, completion }) => {
    const key = JSON.stringify([job.row, completion]);
    const place = places.get(key) ?? places.size;
    places.set(key, place);
    return place;
  });
  const first = [...places.values()].map((place) => rollouts[asked.indexOf(place)] as Rollout);
  const requests = first.map(({ job, completion }) => ({ row: job.row, completion, reward }));
  const rewards = await task.scorer.reward(requests, format, options);
  return asked.map((place) => rewards[place] as Reward | ScoringError);
}

import type { Denoised } from '../diffusion/canvas.ts';
import { type DecodingOptions, type DenoiseCall, denoise, mostSteps } from '../diffusion/denoise.ts';
import { completesCode, gapRules } from '../diffusion/infill.ts';
import { healedPrefix } from '../diffusion/token-healing.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { UsageError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import { completionLengthOf, type PromptFormat, type Task } from '../tasks/task.ts';

/** Tokens of prompts and canvases in a batch of answers: enough to keep a processor busy. */
const tokensPerBatch = 2048;
/** Maximum number of answers in a batch, so that an evaluation shows progress. */
const maxPerBatch = 64;

export interface AnswerOptions {
  readonly format: PromptFormat;
  readonly decoding: DecodingOptions;
  /** Completions per problem. */
  readonly samples: number;
  readonly seed: number;
  /** Called before every denoising step and after every batch. */
  readonly progress?: (progress: AnswerProgress) => void;
  /** Checked between denoising steps; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/** How many answers are written. */
export interface AnswerProgress {
  readonly done: number;
  readonly total: number;
  /** Answers of the batch under way; 0 between two batches. */
  readonly batch: number;
  /** Share of the denoising steps of that batch that are done, 0 to 1. */
  readonly share: number;
  /** Number of graded answers; absent: grading has not started. */
  readonly graded?: number;
}

/** One completion of one problem. */
export interface Answer<Row = unknown> {
  readonly row: Row;
  readonly prompt: string;
  readonly promptTokens: Int32Array;
  /** The text after the completion, for models that fill gaps; otherwise empty. */
  readonly suffixTokens: Int32Array;
  /** The end of the prompt that the completion's first tokens spell; absent: nothing. */
  readonly healed?: string;
  /** The completion's text before the end of text, without the healed prefix. */
  readonly completion: string;
  /** Tokens up to and including the first end of text; all tokens if there is none. */
  readonly length: number;
  readonly seed: number;
  readonly denoised: Denoised;
}

/**
 * How a task whose completions fill gaps is decoded: as an editor decodes, or as a canvas whose tokens are all predicted. `auto`:
 * as an editor if the task says so and the model and the format can.
 */
export const infillingChoices = ['auto', 'editor', 'canvas'] as const;
export type InfillingChoice = (typeof infillingChoices)[number];

function infillingOf(
  choice: InfillingChoice,
  { config }: Partial<Pick<LanguageModel, 'config'>>,
  task: Task,
  format: PromptFormat,
): Pick<DecodingOptions, 'infilling'> {
  const able = config !== undefined && completesCode(config) && format === 'plain';
  if (choice === 'editor' && config && !able)
    throw new UsageError(
      'Setting infilling = editor needs a model that fills gaps and plain prompts; set infilling=canvas, or choose another model.',
    );
  return able && (choice === 'editor' || (choice === 'auto' && task.decodedAsInEditor)) ? { infilling: 'editor' } : {};
}

/**
 * A model's default decoding of a task's answers, from its `generation_config.json`. Throws a `UsageError` if `infilling` is
 * `editor` and the model cannot be decoded so.
 */
export function defaultDecoding(
  model: Pick<LanguageModel, 'generation'> & Partial<Pick<LanguageModel, 'config'>>,
  task: Task,
  format: PromptFormat = model.generation.prompt_format,
  infilling: InfillingChoice = 'auto',
): DecodingOptions {
  const length = completionLengthOf(task, format);
  const { block_length, tokens_per_step } = model.generation;
  return {
    order: 'confidence',
    length,
    block: Math.min(block_length, length),
    steps: Math.ceil(length / tokens_per_step),
    threshold: 0.9,
    temperature: 0,
    ...infillingOf(infilling, model, task, format),
  };
}

/** An answer to generate: everything it depends on, apart from the model and the decoding. */
export type AnswerPlan<Row = unknown> = Pick<
  Answer<Row>,
  'row' | 'prompt' | 'promptTokens' | 'suffixTokens' | 'healed' | 'seed'
>;

/**
 * Plans the answers, in the order of the problems, with the samples of a problem next to each other. Seeds are
 * independent of each other.
 */
export function planAnswers<Row>(
  model: Pick<LanguageModel, 'config' | 'tokenizer'>,
  task: Task<Row>,
  rows: readonly Row[],
  { format, samples, seed, decoding }: Pick<AnswerOptions, 'format' | 'samples' | 'seed' | 'decoding'>,
): AnswerPlan<Row>[] {
  return rows.flatMap((row, item) => {
    const prompt = task.prompt(row, format);
    const { tokens, healed } = splitPrompt(model, prompt, format, decoding);
    const suffixTokens = Int32Array.from(model.tokenizer.encode(suffixOf(model, task, row, format)));
    const random = new Random(seed, 'answer', item);
    return Array.from({ length: samples }, () => ({
      ...{ row, prompt, promptTokens: tokens, suffixTokens },
      ...(healed === '' ? {} : { healed }),
      seed: random.integer(2 ** 31),
    }));
  });
}

/** A prompt's tokens; in the chat format, inside the model's chat template. */
export const promptTokens = (
  { tokenizer }: Pick<LanguageModel, 'tokenizer'>,
  prompt: string,
  format: PromptFormat,
): Int32Array => Int32Array.from(format === 'chat' ? tokenizer.encodeChat(prompt) : tokenizer.encode(prompt));

/** A prompt's tokens, and its end that the completion spells instead: empty unless it is decoded as in an editor. */
export function splitPrompt(
  { tokenizer }: Pick<LanguageModel, 'tokenizer'>,
  prompt: string,
  format: PromptFormat,
  { infilling }: Pick<DecodingOptions, 'infilling'>,
): { readonly tokens: Int32Array; readonly healed: string } {
  const healed = infilling === 'editor' ? healedPrefix(tokenizer, prompt) : '';
  return { tokens: promptTokens({ tokenizer }, prompt.slice(0, prompt.length - healed.length), format), healed };
}

/** The rules of the gaps that these completions fill, for `denoise`; nothing unless they are decoded as in an editor. */
export const gapOf = (
  model: Pick<LanguageModel, 'config' | 'tokenizer'>,
  { infilling }: Pick<DecodingOptions, 'infilling'>,
  healed: readonly string[],
): Pick<DenoiseCall, 'gap'> => (infilling === 'editor' ? { gap: { rules: gapRules(model, false), healed } } : {});

/** The text after a completion. Empty unless the task has one and the model is trained to fill gaps. */
export function suffixOf<Row>(
  { config }: Pick<LanguageModel, 'config'>,
  task: Task<Row>,
  row: Row,
  format: PromptFormat,
): string {
  return format === 'plain' && completesCode(config) ? (task.suffix?.(row) ?? '') : '';
}

/** Number of context tokens of a problem: prompt and suffix. */
export const contextLength = <Row>(
  model: Pick<LanguageModel, 'config' | 'tokenizer'>,
  task: Task<Row>,
  row: Row,
  format: PromptFormat,
): number =>
  promptTokens(model, task.prompt(row, format), format).length +
  model.tokenizer.encode(suffixOf(model, task, row, format)).length;

/** Number of answers that fit into a batch, from the longest of them. */
export function batchSize(plans: readonly AnswerPlan[], { length }: DecodingOptions): number {
  const longest = plans.reduce(
    (most, { promptTokens, suffixTokens }) => Math.max(most, promptTokens.length + length + suffixTokens.length),
    1,
  );
  return Math.min(maxPerBatch, Math.max(1, Math.floor(tokensPerBatch / longest)));
}

/** Generates the answers of one batch; `onStep` is called before each denoising step with the share of them that are done. */
export async function writeAnswers<Row>(
  model: LanguageModel,
  batch: readonly AnswerPlan<Row>[],
  {
    decoding,
    signal,
    onStep,
  }: Pick<AnswerOptions, 'decoding' | 'signal'> & { readonly onStep?: (share: number) => void },
): Promise<Answer<Row>[]> {
  const denoised = await denoise(model, {
    prompts: batch.map(({ promptTokens }) => promptTokens),
    suffixes: batch.map(({ suffixTokens }) => suffixTokens),
    seeds: batch.map(({ seed }) => seed),
    options: decoding,
    ...gapOf(
      model,
      decoding,
      batch.map(({ healed = '' }) => healed),
    ),
    checkCancelled: betweenSteps(decoding, { signal, onStep }),
  });
  return batch.map((plan, index) => ({
    ...plan,
    ...readCompletion(model, denoised[index] as Denoised, { ...decoding, ...plan }),
  }));
}

/**
 * Generates `samples` answers to every problem, in the order of the problems, with the samples of a problem next to
 * each other.
 */
export async function answer<Row>(
  model: LanguageModel,
  task: Task<Row>,
  rows: readonly Row[],
  options: AnswerOptions,
): Promise<Answer<Row>[]> {
  const plans = planAnswers(model, task, rows, options);
  const size = batchSize(plans, options.decoding);
  const answers: Answer<Row>[] = [];
  const total = plans.length;
  for (let start = 0; start < total; start += size) {
    const batch = plans.slice(start, start + size);
    const onStep = (share: number) => options.progress?.({ done: start, total, batch: batch.length, share });
    answers.push(...(await writeAnswers(model, batch, { ...options, onStep })));
    options.progress?.({ done: answers.length, total, batch: 0, share: 0 });
  }
  return answers;
}

/**
 * The function that `denoise` calls between two steps: it reports the share of completed steps, then throws the signal's reason if
 * it is aborted. Orders without fixed steps often take fewer steps than assumed; the share is then a lower bound.
 */
export function betweenSteps(
  decoding: DecodingOptions,
  {
    signal,
    onStep,
  }: { readonly signal?: AbortSignal | undefined; readonly onStep?: ((share: number) => void) | undefined },
): () => void {
  const most = mostSteps(decoding);
  let made = 0;
  return () => {
    onStep?.(Math.min(1, made++ / most));
    signal?.throwIfAborted();
  };
}

/**
 * The text of a denoised canvas, and the number of tokens that count: those up to and including the first end of
 * text.
 */
export function readCompletion<T extends Pick<Denoised, 'tokens'>>(
  model: Pick<LanguageModel, 'config' | 'tokenizer'>,
  denoised: T,
  { healed = '', infilling }: { readonly healed?: string | undefined } & Pick<DecodingOptions, 'infilling'> = {},
) {
  const { eos_token_id: eos, eom_token_id: eom } = model.config;
  // Models that fill gaps have a separate token for the end of a middle.
  const end = denoised.tokens.findIndex((token) => token === (eom ?? eos) || (!infilling && token === eos));
  const text = model.tokenizer.decode(end === -1 ? denoised.tokens : denoised.tokens.subarray(0, end));
  const completion = text.slice(healed.length);
  return { denoised, completion, length: end === -1 ? denoised.tokens.length : end + 1 };
}

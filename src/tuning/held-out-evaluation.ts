import { prefixConstraints } from '../diffusion/token-healing.ts';
import { defaultDecoding, type InfillingChoice } from '../evaluation/answers.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { reportAnswers } from '../evaluation/report-answers.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Evaluation } from '../protocol/events.ts';
import type { WorkContext } from '../runs/run-job.ts';
import type { Task } from '../tasks/task.ts';
import type { BoundEstimator } from './likelihoods/bounds.ts';
import type { TuningSettings } from './settings.ts';

/** Held-out problems of a run, and how the model answers them. */
export interface HeldOutProblems {
  readonly model: LanguageModel;
  readonly task: Task;
  readonly problems: readonly unknown[];
  readonly split: 'validation' | 'test';
  readonly infilling: InfillingChoice;
}

/** Generates and scores one greedy answer to each held-out problem with the current weights. */
export function answerHeldOut({ model, task, problems, split, infilling }: HeldOutProblems, context: WorkContext) {
  const format = model.generation.prompt_format;
  return evaluate(model, task, problems, {
    format,
    decoding: defaultDecoding(model, task, format, infilling),
    samples: 1,
    seed: 0,
    signal: context.signal,
    progress: reportAnswers(context, split),
  });
}

/** Masked versions of an answer from which the gap between its bounds is estimated. */
const gapSamples = 4;

/** The metrics on validation problems, and the gap between SPG's bounds of the answers (`BoundEstimator.gap`). */
export async function evaluateValidation(
  problems: HeldOutProblems,
  bounds: BoundEstimator,
  { beta, seed, context }: Pick<TuningSettings, 'beta'> & { readonly seed: number; readonly context: WorkContext },
): Promise<Evaluation> {
  const { model, task, split } = problems;
  const { answers, n, metrics, forwardsPerAnswer, seconds } = await answerHeldOut(problems, context);
  const completions = answers.map(({ promptTokens, suffixTokens, healed = '', denoised: { tokens }, length }) => ({
    prompt: promptTokens,
    suffix: suffixTokens,
    constraints: prefixConstraints(tokens, healed, model.tokenizer, model.config.vocab_size),
    tokens,
    length,
    advantage: 0,
  }));
  const gap = await bounds.gap(completions, { beta, samples: gapSamples, seed, signal: context.signal });
  const measures = { eubo_elbo_gap: gap, forwards_per_answer: forwardsPerAnswer };
  return { task: task.name, split, n, metrics, measures, seconds };
}

import type { DecodingOptions } from '../diffusion/denoise.ts';
import { contextLength, defaultDecoding } from '../evaluation/answers.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { PromptFormat, Task } from '../tasks/task.ts';
import { rowsThatFit } from '../training/memory.ts';
import type { Objective } from './objectives/objective.ts';
import type { FullTuningSettings, TuningSettings } from './settings.ts';

/** Replaces null settings with the defaults of the model and the task. */
export function resolveSettings(
  model: Pick<LanguageModel, 'generation'> & Partial<Pick<LanguageModel, 'config'>>,
  task: Task,
  requested: FullTuningSettings,
  format: PromptFormat,
  objective?: Pick<Objective, 'fillsCanvases'>,
): { decoding: DecodingOptions; settings: TuningSettings } {
  const choice = requested.infilling === 'auto' && objective?.fillsCanvases ? 'canvas' : requested.infilling;
  const defaults = defaultDecoding(model, task, format, choice);
  const length = requested.length ?? defaults.length;
  const block = Math.min(requested.block ?? defaults.block, length);
  const steps = requested.decoding_steps ?? Math.ceil(length / model.generation.tokens_per_step);
  const { order, threshold, factor, entropy_bound: entropyBound, temperature } = requested;
  const infilling = defaults.infilling ? { infilling: defaults.infilling } : {};
  return {
    decoding: { order, threshold, factor, entropyBound, temperature, length, block, steps, ...infilling },
    settings: { ...requested, length, block },
  };
}

/** Completions per pass: the number in the settings, or fewer if that many would not fit into memory. */
export function fittingMicroBatch(
  model: LanguageModel,
  task: Task,
  problems: readonly unknown[],
  { micro_batch: requested, mask_samples: samples, length: answer }: TuningSettings,
): number {
  const format = model.generation.prompt_format;
  const longest = Math.max(0, ...problems.map((row) => contextLength(model, task, row, format)));
  const rows = rowsThatFit(model.config, { length: longest + answer, answer });
  return Math.min(requested, Math.max(1, Math.floor(rows / samples)));
}

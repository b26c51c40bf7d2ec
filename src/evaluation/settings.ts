import { z } from 'zod';
import type { DecodingOptions } from '../diffusion/denoise.ts';
import { UsageError } from '../platform/errors.ts';
import { infillingChoices } from './answers.ts';
import { revealSettings } from './reveal-settings.ts';

/** All settings of an evaluation, as `--set NAME=VALUE` takes them. Null selects the model's or the task's default. */
export const evaluationSettings = z.strictObject({
  temperature: z
    .number()
    .min(0)
    .max(10)
    .nullable()
    .default(null)
    .describe('Sampling temperature; null: 0 for one sample, 0.9 for several'),
  ...revealSettings,
  length: z.int().positive().nullable().default(null).describe("Tokens per completion; null: the task's default"),
  block: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe("Block length of semi-autoregressive decoding; null: the model's default"),
  decoding_steps: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe("Denoising steps per completion; null: the length divided by the model's tokens per step"),
  infilling: z
    .enum(infillingChoices)
    .default('auto')
    .describe(
      'How completions that fill gaps are decoded; editor: as in an editor, with token healing and an end of the middle; canvas: all tokens of the canvas are predicted; auto: editor for the task workspace if the model supports it, otherwise canvas',
    ),
  format: z
    .enum(['tagged', 'plain', 'chat'])
    .nullable()
    .default(null)
    .describe("Prompt format; null: the model's default"),
});

export type EvaluationSettings = z.infer<typeof evaluationSettings>;

/** The rule of `order` that each limit belongs to. */
const orderOf = { threshold: 'threshold', factor: 'factor', entropy_bound: 'entropy' } as const;

/** Throws a `UsageError` if a limit was changed that the chosen `order` does not use. */
export function refuseUnusedLimit(settings: Pick<EvaluationSettings, 'order' | keyof typeof orderOf>): void {
  const defaults = evaluationSettings.parse({});
  for (const [name, order] of Object.entries(orderOf) as [keyof typeof orderOf, EvaluationSettings['order']][])
    if (settings[name] !== defaults[name] && settings.order !== order)
      throw new UsageError(
        `Setting ${name} = ${settings[name]} has no effect with order = ${settings.order}; set order=${order}, or remove ${name}.`,
      );
}

/** Decoding options from the settings, with the model's and the task's defaults. */
export function decodingOf(settings: EvaluationSettings, defaults: DecodingOptions, samples: number): DecodingOptions {
  const length = settings.length ?? defaults.length;
  const tokensPerStep = defaults.length / defaults.steps;
  return {
    order: settings.order,
    threshold: settings.threshold,
    factor: settings.factor,
    entropyBound: settings.entropy_bound,
    temperature: settings.temperature ?? (samples > 1 ? 0.9 : 0),
    length,
    block: Math.min(settings.block ?? defaults.block, length),
    steps: settings.decoding_steps ?? Math.ceil(length / tokensPerStep),
    ...(defaults.infilling ? { infilling: defaults.infilling } : {}),
  };
}

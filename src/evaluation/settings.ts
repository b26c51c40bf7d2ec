import { z } from 'zod';
import type { DecodingOptions } from '../diffusion/denoise.ts';

/** Every hyper-parameter of an evaluation: what `--set NAME=VALUE` takes; null leaves the model's or the task's own. */
export const evaluationSettings = z.strictObject({
  temperature: z
    .number()
    .min(0)
    .max(10)
    .nullable()
    .default(null)
    .describe('Sampling temperature; null: 0 for one sample, 0.9 for several'),
  order: z
    .enum(['confidence', 'random', 'threshold'])
    .default('confidence')
    .describe('Which tokens are revealed first'),
  threshold: z.number().gt(0).max(1).default(0.9).describe('Confidence above which `order=threshold` reveals a token'),
  length: z.int().positive().nullable().default(null).describe("Tokens of a completion; null: the task's"),
  block: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe("Block of semi-autoregressive decoding; null: the model's"),
  decoding_steps: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe("Denoising steps; null: the model's tokens per step"),
  format: z
    .enum(['tagged', 'plain', 'chat'])
    .nullable()
    .default(null)
    .describe("How prompts are written; null: the model's"),
});

export type EvaluationSettings = z.infer<typeof evaluationSettings>;

/** Decoding as settings say, over a model's and a task's defaults. */
export function decodingOf(settings: EvaluationSettings, defaults: DecodingOptions, samples: number): DecodingOptions {
  const length = settings.length ?? defaults.length;
  const tokensPerStep = defaults.length / defaults.steps;
  return {
    order: settings.order,
    threshold: settings.threshold,
    temperature: settings.temperature ?? (samples > 1 ? 0.9 : 0),
    length,
    block: Math.min(settings.block ?? defaults.block, length),
    steps: settings.decoding_steps ?? Math.ceil(length / tokensPerStep),
  };
}

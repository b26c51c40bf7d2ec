import { existsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { UserError } from '../platform/errors.ts';
import { readJson } from '../platform/files.ts';
import { invalidValue } from '../platform/invalid-value.ts';
import type { ModelConfig } from './config.ts';

/** The gate of a model's suggestions (`copies/gate.ts`), fitted for the model by `scripts/measuring/gate/fit-gate.ts`. */
const suggestionGate = z.object({
  /** How and on what the weights were fitted. */
  about: z.string(),
  bias: z.number(),
  /** The weight of each feature, by name. */
  features: z.record(z.string(), z.number()),
  /** The probability from which a suggestion is shown, by the level of the setting. */
  thresholds: z.object({ eager: z.number(), balanced: z.number(), careful: z.number() }),
});
export type SuggestionGate = Readonly<z.infer<typeof suggestionGate>>;

const generation = z.looseObject({
  /**
   * The format of prompts: the papers' tagged instructions, the short form of puzzle models, or the instructions as a
   * message in the model's chat template.
   */
  prompt_format: z.enum(['tagged', 'plain', 'chat']).default('tagged'),
  /** Block of semi-autoregressive decoding, in tokens. */
  block_length: z.int().positive().default(32),
  /** Tokens revealed per denoising step if the number of steps is fixed. */
  tokens_per_step: z.number().positive().default(2),
  /** Tokens of the canvas for a gap: for one line, and for several lines. */
  line_canvas: z.int().positive().optional(),
  canvas: z.int().positive().optional(),
  /**
   * How a converted model (`causal-context` attention) fills a gap: `denoise` reveals tokens in parallel; `drafts` denoises drafts
   * or copies them from the text, and verifies them causally, so that the text is that of autoregressive decoding; `copied-drafts`
   * only copies them, for a model that does not denoise well. Default: `denoise`.
   */
  gap_decoding: z.enum(['denoise', 'drafts', 'copied-drafts']).optional(),
  /** Default: the gate that was fitted for the bundled model. */
  suggestion_gate: suggestionGate.optional(),
});

/** The default decoding settings of a model: `generation_config.json` of its checkpoint. */
export type GenerationDefaults = z.infer<typeof generation>;

export const paperDefaults: GenerationDefaults = generation.parse({});

/**
 * Reads `generation_config.json`. Without that file, the papers' settings apply (blocks of 32, two tokens per step). A
 * model with block-causal attention is decoded in its own blocks unless the file sets another size.
 */
export async function readGeneration(
  folder: string,
  { attention, block_size }: Pick<ModelConfig, 'attention' | 'block_size'> = { attention: 'full' },
): Promise<GenerationDefaults> {
  const file = path.join(folder, 'generation_config.json');
  const own = attention === 'block-causal' && block_size !== undefined ? { block_length: block_size } : {};
  const written = existsSync(file) ? await readJson(file) : {};
  const parsed = generation.safeParse(isPlainObject(written) ? { ...own, ...written } : written, {
    error: invalidValue,
  });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new UserError(`${file}: ${issue.path.join('.') || 'the file'} ${issue.message}; restore the file.`);
}

const isPlainObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

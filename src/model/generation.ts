import { existsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { UserError } from '../platform/errors.ts';
import { readJson } from '../platform/files.ts';
import type { ModelConfig } from './config.ts';

const generation = z.looseObject({
  /**
   * How prompts are written for this model: the papers' tagged instructions, the short form of puzzle models, or the
   * instructions as a message in the model's chat template.
   */
  prompt_format: z.enum(['tagged', 'plain', 'chat']).default('tagged'),
  /** Block of semi-autoregressive decoding, in tokens. */
  block_length: z.int().positive().default(32),
  /** Tokens revealed in one denoising step where the number of steps is fixed. */
  tokens_per_step: z.number().positive().default(2),
  /** Tokens of the canvas that a gap is filled with, where one line is wanted and where several may be. */
  line_canvas: z.int().positive().optional(),
  canvas: z.int().positive().optional(),
});

/** How a model is meant to be decoded where nobody says otherwise: `generation_config.json` of its checkpoint. */
export type GenerationDefaults = z.infer<typeof generation>;

export const paperDefaults: GenerationDefaults = generation.parse({});

/**
 * Reads `generation_config.json`; the papers' settings (block 32, two tokens a step) where there is none. A model whose attention
 * goes by blocks is decoded by these unless the file says otherwise.
 */
export async function readGeneration(
  folder: string,
  { attention, block_size }: Pick<ModelConfig, 'attention' | 'block_size'> = { attention: 'full' },
): Promise<GenerationDefaults> {
  const file = path.join(folder, 'generation_config.json');
  const own = attention === 'block-causal' && block_size !== undefined ? { block_length: block_size } : {};
  const written = existsSync(file) ? await readJson(file) : {};
  const parsed = generation.safeParse(isPlainObject(written) ? { ...own, ...written } : written);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new UserError(`${file}: ${issue.path.join('.')} is wrong (${issue.message}); restore the file.`);
}

const isPlainObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

import { stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { UserError } from '../platform/errors.ts';
import { readJson } from '../platform/files.ts';

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

/** Reads `generation_config.json`; the papers' settings (block 32, two tokens a step) where there is none. */
export async function readGeneration(folder: string): Promise<GenerationDefaults> {
  const file = path.join(folder, 'generation_config.json');
  if (!(await stat(file).catch(() => undefined))) return paperDefaults;
  const parsed = generation.safeParse(await readJson(file));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new UserError(`${file}: ${issue.path.join('.')} is wrong (${issue.message}); restore the file.`);
}

import { z } from 'zod';

const factor = z.number().positive();

/**
 * Changes of the rotary positions' frequencies by which a model reads longer texts than it was first trained on. `linear`
 * divides all of them (position interpolation, arXiv 2306.15595). `llama3` divides those whose wavelength is long beside the
 * first training's texts, leaves the short ones, and goes smoothly from one to the other (Llama 3.1, as in transformers'
 * `_compute_llama3_parameters`).
 */
export const ropeScaling = z
  .discriminatedUnion('rope_type', [
    z.object({ rope_type: z.literal('linear'), factor }),
    z.object({
      rope_type: z.literal('llama3'),
      factor,
      low_freq_factor: factor,
      high_freq_factor: factor,
      original_max_position_embeddings: z.int().positive(),
    }),
  ])
  .refine((scaling) => scaling.rope_type !== 'llama3' || scaling.high_freq_factor > scaling.low_freq_factor, {
    error: 'high_freq_factor must be above low_freq_factor',
  });

export type RopeScaling = z.infer<typeof ropeScaling>;

/** A frequency in radians per position, scaled. */
export function scaledFrequency(frequency: number, scaling: RopeScaling | undefined): number {
  if (scaling === undefined) return frequency;
  if (scaling.rope_type === 'linear') return frequency / scaling.factor;
  const {
    factor: by,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: length,
  } = scaling;
  const turns = (length * frequency) / (2 * Math.PI);
  if (turns < low) return frequency / by;
  if (turns > high) return frequency;
  const share = (turns - low) / (high - low);
  return (1 - share) * (frequency / by) + share * frequency;
}

import { z } from 'zod';

const factor = z.number().positive();

/**
 * Scales the frequencies of rotary positions, so that a model can read longer texts than it was first trained on. `linear`
 * divides all frequencies (position interpolation, arXiv 2306.15595). `llama3` divides those whose wavelength is long compared
 * to the original training texts, keeps those with a short wavelength, and interpolates in between (Llama 3.1, as in
 * transformers' `_compute_llama3_parameters`).
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

/** Scales a frequency, in radians per position. */
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

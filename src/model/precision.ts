import { fitsFormat, isChannelFormat, rounded } from '../engine/quantization.ts';
import type { HostTensor, WeightFormat } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import type { ModelConfig } from './config.ts';
import { weightShapes } from './transformer.ts';

/**
 * Precisions for the projections of a frozen base. The rest of the base is f32.
 *
 * - `int8`, `int4`: integers with one scale per 32 weights. Products are computed in f32.
 * - `w8a8`, `w7a8`: weights of 8 (or 7) bits with one scale per output, including embeddings and head. Activations are rounded
 *   to 8 bits with one scale per token, so that products are computed on integers. This is several times faster than f32 on
 *   CPUs. Smoothing (`smoothing.ts`) reduces the rounding error.
 */
export const precisions = ['f32', 'int8', 'int4', 'w8a8', 'w7a8'] as const;
export type Precision = (typeof precisions)[number];

const formats = { int8: 'int8-blocks', int4: 'int4-blocks', w8a8: 'int8-channels', w7a8: 'int7-channels' } as const;

/** The matrices that are quantized, and their format. Throws a `UserError` if one does not fit the format. */
export function quantizedWeights(config: ModelConfig, precision: Precision): Map<string, WeightFormat> {
  const quantized = new Map<string, WeightFormat>();
  if (precision === 'f32') return quantized;
  const format = formats[precision];
  for (const [name, shape] of weightShapes(config)) {
    if (!name.endsWith('_proj.weight') && !(isChannelFormat(format) && isOfVocabulary(name))) continue;
    if (!fitsFormat(shape, format))
      throw new UserError(
        `A base of precision ${precision} needs widths that are multiples of 32, but ${name} is [${shape}]; use f32 for this model.`,
      );
    quantized.set(name, format);
  }
  return quantized;
}

/** Whether a matrix has a row per token. Such matrices are a fifth of a small model, and the head is its largest product. */
const isOfVocabulary = (name: string): boolean => name === 'model.embed_tokens.weight' || name === 'lm_head.weight';

/** Rounds weights to the values that a base of this precision computes with. */
export function weightsAsKept(
  config: ModelConfig,
  weights: ReadonlyMap<string, HostTensor>,
  precision: Precision,
): Map<string, HostTensor> {
  const kept = new Map(weights);
  for (const [name, format] of quantizedWeights(config, precision))
    kept.set(name, rounded(weights.get(name) as HostTensor, format));
  return kept;
}

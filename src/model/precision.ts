import { type Bits, isQuantizable, rounded } from '../engine/quantization.ts';
import type { HostTensor } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import type { ModelConfig } from './config.ts';
import { weightShapes } from './transformer.ts';

/** How exactly the projections of a frozen base are kept; everything else of it is f32. */
export const precisions = ['f32', 'int8', 'int4'] as const;
export type Precision = (typeof precisions)[number];

/** The matrices that are kept in blocks, and of how many bits a number. Throws a `UserError` where one does not fill blocks. */
export function quantizedWeights(config: ModelConfig, precision: Precision): Map<string, Bits> {
  const quantized = new Map<string, Bits>();
  if (precision === 'f32') return quantized;
  for (const [name, shape] of weightShapes(config)) {
    if (!name.endsWith('_proj.weight')) continue;
    if (!isQuantizable(shape))
      throw new UserError(
        `A base of precision ${precision} needs widths that are multiples of 32, and ${name} is [${shape}]; keep this model in f32.`,
      );
    quantized.set(name, precision === 'int8' ? 8 : 4);
  }
  return quantized;
}

/** The weights that a base of a precision computes with. */
export function weightsAsKept(
  config: ModelConfig,
  weights: ReadonlyMap<string, HostTensor>,
  precision: Precision,
): Map<string, HostTensor> {
  const kept = new Map(weights);
  for (const [name, bits] of quantizedWeights(config, precision))
    kept.set(name, rounded(weights.get(name) as HostTensor, bits));
  return kept;
}

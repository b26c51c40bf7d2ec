import type { HostTensor } from '../../src/graph/tensor.ts';
import type { Checkpoint } from '../../src/model/checkpoint.ts';
import { factorA, factorB, type LoraTarget, loraShapes, loraTargets, targetShapes } from '../../src/model/lora.ts';
import type { Precision } from '../../src/model/precision.ts';
import { Random } from '../../src/platform/random.ts';
import type { ReferenceWeights } from './reference-transformer.ts';

/** A tiny model's checkpoint with an adapter whose factors are both random. */
export function adapted(
  checkpoint: Checkpoint,
  {
    rank = 3,
    alpha = 2,
    targets = loraTargets as readonly LoraTarget[],
    base = 'base',
    precision = 'f32' as Precision,
  } = {},
): Checkpoint & { readonly adapter: NonNullable<Checkpoint['adapter']> } {
  const random = new Random(11, 'adapter');
  const weights = new Map<string, HostTensor>();
  for (const [name, shape] of loraShapes(checkpoint.config, { rank, alpha, targets })) {
    const length = shape[0]! * shape[1]!;
    weights.set(name, { shape, data: Float32Array.from({ length }, () => 0.3 * random.normal()) });
  }
  return { ...checkpoint, adapter: { rank, alpha, targets, weights, base: { name: base, digest: null, precision } } };
}

/** W + (alpha / rank) B A in double precision; `weights` contains base and factors. */
export function referenceMerge(
  { config, adapter }: ReturnType<typeof adapted>,
  weights: ReferenceWeights,
): Map<string, { data: Float64Array }> {
  const { rank, alpha, targets } = adapter;
  const merged = new Map([...weights].map(([name, { data }]) => [name, { data: Float64Array.from(data) }]));
  for (const [projection, [outputs, inputs]] of targetShapes(config, targets)) {
    const { data } = merged.get(`${projection}.weight`)!;
    const [a, b] = [weights.get(factorA(projection))!.data, weights.get(factorB(projection))!.data];
    for (let row = 0; row < outputs; row++)
      for (let column = 0; column < inputs; column++)
        for (let r = 0; r < rank; r++)
          data[row * inputs + column]! += (alpha / rank) * b[row * rank + r]! * a[r * inputs + column]!;
  }
  return merged;
}

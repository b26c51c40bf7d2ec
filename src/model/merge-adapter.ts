import type { Engine } from '../engine/engine.ts';
import { ProgramCache } from '../engine/program-cache.ts';
import { add, input, matmul, mul } from '../graph/primitives.ts';
import { defineProgram } from '../graph/program.ts';
import type { HostTensor } from '../graph/tensor.ts';
import type { Checkpoint } from './checkpoint.ts';
import { type Adapter, factorA, factorB, targetShapes } from './lora.ts';
import { keptBytes } from './memory.ts';
import { quantizedWeights, weightsAsKept } from './precision.ts';
import { weightShapes } from './transformer.ts';

/** Bytes that merging takes: the weights, and once more those that the adapter changes or its base rounded. */
export function bytesOfMerge({ config, adapter }: Pick<Checkpoint, 'config'> & { readonly adapter: Adapter }): number {
  const shapes = weightShapes(config);
  const rounded = quantizedWeights(config, adapter.base.precision);
  const changed = [...targetShapes(config, adapter.targets).keys()].map((projection) => `${projection}.weight`);
  const again = new Set([...rounded.keys(), ...changed]);
  return keptBytes(shapes) + keptBytes(new Map([...shapes].filter(([name]) => again.has(name))));
}

/**
 * The full weights that a model with an adapter computes with: W + (alpha / r) B A in the place of W (LoRA, arXiv
 * 2106.09685, section 4.1). Where the base was rounded, so is W. A checkpoint without an adapter is given back as it is.
 */
export async function mergeAdapter(engine: Engine, checkpoint: Checkpoint): Promise<Checkpoint> {
  const { adapter, ...base } = checkpoint;
  if (!adapter) return checkpoint;
  const scale = adapter.alpha / adapter.rank;
  const weights = weightsAsKept(base.config, base.weights, adapter.base.precision);
  const programs = new ProgramCache(engine);
  const nothing = await engine.createState(new Map());
  for (const [projection, shape] of targetShapes(base.config, adapter.targets)) {
    const [outputs, inputs] = shape;
    const program = await programs.get(`${shape}`, () => {
      const update = matmul(input('b', [outputs, adapter.rank]), input('a', [adapter.rank, inputs]));
      return defineProgram('merge', { outputs: { merged: add(input('w', shape), mul(update, scale)) } });
    });
    const { merged } = await program.run(
      {
        w: weights.get(`${projection}.weight`) as HostTensor,
        a: adapter.weights.get(factorA(projection)) as HostTensor,
        b: adapter.weights.get(factorB(projection)) as HostTensor,
      },
      nothing,
    );
    weights.set(`${projection}.weight`, merged as HostTensor);
  }
  await programs.dispose();
  await nothing.dispose();
  return { ...base, weights };
}

import type { Engine } from '../engine/engine.ts';
import { ProgramCache } from '../engine/program-cache.ts';
import { add, input, matmul, mul } from '../graph/primitives.ts';
import { defineProgram } from '../graph/program.ts';
import type { HostTensor } from '../graph/tensor.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { ModelConfig } from './config.ts';
import {
  type Adapter,
  type AdapterConfig,
  factorA,
  factorB,
  targetShapes,
  tokenRows,
  vocabularyMatrices,
} from './lora.ts';
import { keptBytes } from './memory.ts';
import { quantizedWeights, weightsAsKept } from './precision.ts';
import { weightShapes } from './transformer.ts';

/** Bytes of memory that merging needs: the weights, and a copy of those that the adapter changes or the base rounded. */
export function bytesOfMerge({
  config,
  adapter,
}: {
  readonly config: ModelConfig;
  readonly adapter: AdapterConfig;
}): number {
  const shapes = weightShapes(config);
  const rounded = quantizedWeights(config, adapter.base.precision);
  const changed = [...targetShapes(config, adapter.targets).keys()].map((projection) => `${projection}.weight`);
  const again = new Set([...rounded.keys(), ...changed]);
  return keptBytes(shapes) + keptBytes(new Map([...shapes].filter(([name]) => again.has(name))));
}

/**
 * Adds an adapter to its base: every adapted W becomes W + (alpha / r) B A (LoRA, arXiv 2106.09685, section 4.1). W is
 * rounded first if the adapter was trained on a rounded base. Trained rows of tokens replace the base's. A checkpoint without an adapter is returned unchanged.
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
  for (const matrix of adapter.tokens ? vocabularyMatrices(base.config) : [])
    weights.set(matrix, withRows(weights.get(matrix) as HostTensor, adapter, matrix));
  return { ...base, weights };
}

/** A copy of a matrix of the vocabulary in which the adapter's trained rows replace those of their tokens. */
function withRows({ shape, data }: HostTensor, { tokens = [], weights }: Adapter, matrix: string): HostTensor {
  const width = shape[1] as number;
  const replaced = (data as Float32Array).slice();
  const rows = (weights.get(tokenRows(matrix)) as HostTensor).data as Float32Array;
  for (const [row, token] of tokens.entries())
    replaced.set(rows.subarray(row * width, (row + 1) * width), token * width);
  return { shape, data: replaced };
}

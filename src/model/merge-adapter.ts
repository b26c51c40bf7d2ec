import type { Engine } from '../engine/engine.ts';
import { ProgramCache } from '../engine/program-cache.ts';
import { rounded } from '../engine/quantization.ts';
import { add, input, matmul, mul } from '../graph/primitives.ts';
import { defineProgram } from '../graph/program.ts';
import { type HostTensor, type Shape, sourceOf, type TensorSource } from '../graph/tensor.ts';
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
import { quantizedWeights } from './precision.ts';
import { weightShapes } from './transformer.ts';

/** The names of the weights that differ from the base's after merging. */
function mergedNames(config: ModelConfig, { base, targets, tokens }: AdapterConfig): Set<string> {
  const projections = [...targetShapes(config, targets).keys()].map((projection) => `${projection}.weight`);
  return new Set([
    ...quantizedWeights(config, base.precision).keys(),
    ...projections,
    ...(tokens ? vocabularyMatrices(config) : []),
  ]);
}

/** Bytes of memory that merging needs: the weights, and a copy of those that the adapter changes or the base rounded. */
export function bytesOfMerge({
  config,
  adapter,
}: {
  readonly config: ModelConfig;
  readonly adapter: AdapterConfig;
}): number {
  const shapes = weightShapes(config);
  const changed = mergedNames(config, adapter);
  return keptBytes(shapes) + keptBytes(new Map([...shapes].filter(([name]) => changed.has(name))));
}

/**
 * The weights of a base with an adapter added, merged when they are read: every adapted W becomes W + (alpha / r) B A (LoRA, arXiv
 * 2106.09685, section 4.1). W is rounded first if the adapter was trained on a rounded base. Trained rows of tokens replace the
 * base's. Dispose of it after the last read.
 */
export class MergedWeights implements TensorSource {
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly #engine: Engine;
  readonly #config: ModelConfig;
  readonly #base: TensorSource;
  readonly #adapter: Adapter;
  readonly #programs: ProgramCache;

  constructor(
    engine: Engine,
    { config, weights }: Pick<Checkpoint<TensorSource>, 'config' | 'weights'>,
    adapter: Adapter,
  ) {
    this.shapes = weights.shapes;
    this.#engine = engine;
    this.#config = config;
    this.#base = weights;
    this.#adapter = adapter;
    this.#programs = new ProgramCache(engine);
  }

  async read(name: string): Promise<HostTensor> {
    const { base, targets, tokens } = this.#adapter;
    const format = quantizedWeights(this.#config, base.precision).get(name);
    const own = await this.#base.read(name);
    const kept = format ? rounded(own, format) : own;
    const projection = name.replace(/\.weight$/, '');
    const shape = targetShapes(this.#config, targets).get(projection);
    if (shape) return this.#withUpdate(projection, shape, kept);
    return tokens && vocabularyMatrices(this.#config).includes(name) ? withRows(kept, this.#adapter, name) : kept;
  }

  async dispose(): Promise<void> {
    await this.#programs.dispose();
  }

  async #withUpdate(projection: string, shape: readonly [number, number], w: HostTensor): Promise<HostTensor> {
    const [outputs, inputs] = shape;
    const { rank, alpha, weights } = this.#adapter;
    const program = await this.#programs.get(`${shape}`, () => {
      const update = matmul(input('b', [outputs, rank]), input('a', [rank, inputs]));
      return defineProgram('merge', { outputs: { merged: add(input('w', shape), mul(update, alpha / rank)) } });
    });
    const nothing = await this.#engine.createState(new Map());
    const a = weights.get(factorA(projection)) as HostTensor;
    const b = weights.get(factorB(projection)) as HostTensor;
    const { merged } = await program.run({ w, a, b }, nothing);
    await nothing.dispose();
    return merged as HostTensor;
  }
}

/** Merges an adapter into its base (`MergedWeights`). A checkpoint without an adapter is returned unchanged. */
export async function mergeAdapter(engine: Engine, checkpoint: Checkpoint): Promise<Checkpoint> {
  const { adapter, ...base } = checkpoint;
  if (!adapter) return checkpoint;
  const source = new MergedWeights(engine, { ...base, weights: sourceOf(base.weights) }, adapter);
  const weights = new Map(base.weights);
  for (const name of mergedNames(base.config, adapter)) weights.set(name, await source.read(name));
  await source.dispose();
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

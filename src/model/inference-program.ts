import type { CompileOptions, Engine, Executable, State } from '../engine/engine.ts';
import { type DynamicProgram, defineDynamicProgram } from '../graph/dynamic-program.ts';
import {
  add,
  broadcast,
  cast,
  concat,
  gather,
  input,
  less,
  matmul,
  mul,
  reshape,
  scalar,
  slice,
  softmax,
} from '../graph/primitives.ts';
import type { HostTensor, Tensor } from '../graph/tensor.ts';
import type { ModelConfig } from './config.ts';
import { type Prediction, predictionsOf, readPredictions } from './prediction.ts';
import type { Weights } from './projection.ts';
import { head, joinHeads, keysAndValues, layers, queries, rotaryTables, similarity } from './transformer.ts';

/** Keys and values by layer and kind, as `k.0`: each [1, groups, length, head_dim]. */
export type KeysAndValues = Readonly<Record<string, HostTensor>>;

/** Tokens that one pass computes, and the keys and values of earlier tokens that they attend to. */
export interface InferencePass {
  /** Tokens of which keys and values are needed; they come before `canvas`. */
  readonly context?: ArrayLike<number>;
  readonly canvas?: ArrayLike<number>;
  /** The position of each token in the text, those of the context first. */
  readonly positions: ArrayLike<number>;
  /**
   * With `causal`, `block-causal` and `causal-context` attention, a token attends to the tokens of this pass whose order is not larger than its own;
   * default: the index of the token. All tokens attend to `cache`.
   */
  readonly order?: ArrayLike<number>;
  readonly cache?: KeysAndValues;
}

const hidden = -1e9;

/** Whether tokens do not attend to all tokens of their pass. */
const isOrdered = ({ attention }: ModelConfig): boolean =>
  attention === 'causal' || attention === 'block-causal' || attention === 'causal-context';

/**
 * The forward pass of a model with frozen weights, as one program for any length of context, canvas and cache. Therefore the
 * weights are in memory once, in the layout of the engine's kernels. A text passes through it alone: a batch would be padded to
 * its longest text, and long texts use all cores anyway.
 */
export class InferenceProgram {
  readonly #config: ModelConfig;
  readonly #engine: Engine;
  readonly #state: State;
  readonly #weights: () => Weights;
  readonly #options: CompileOptions;
  #executable: Promise<Executable> | undefined;

  /** `frozen`: the state that holds the base's weights. `weights` returns the weights in `state` as nodes. */
  constructor(config: ModelConfig, engine: Engine, state: State, frozen: State, weights: () => Weights) {
    this.#config = config;
    this.#engine = engine;
    this.#state = state;
    this.#weights = weights;
    this.#options = { weights: frozen };
  }

  /** Keys and values of the context's tokens. */
  async keysAndValues(pass: InferencePass): Promise<KeysAndValues> {
    const names = cacheNames(this.#config);
    if (!pass.context?.length) return Object.fromEntries(names.map((name) => [name, noKeys(this.#config)]));
    // Kernels divide by the number of rows, so at least one is computed.
    const outputs = await this.#run(pass, [0], names.map(written));
    return Object.fromEntries(names.map((name) => [name, outputs[written(name)] as HostTensor]));
  }

  /** The head's output at tokens of the pass, [rows.length * vocab_size]. */
  async logits(pass: InferencePass, rows: ArrayLike<number>): Promise<Float32Array> {
    const { logits } = await this.#run(pass, rows, ['logits']);
    return logits!.data as Float32Array;
  }

  /** What the model predicts at tokens of the pass, without the mask token. */
  async predictions(pass: InferencePass, rows: ArrayLike<number>): Promise<Prediction[]> {
    return readPredictions(await this.#run(pass, rows, predictionOutputs));
  }

  async dispose(): Promise<void> {
    const executable = this.#executable;
    this.#executable = undefined;
    await (await executable?.catch(() => undefined))?.dispose();
  }

  async #run(
    { context = [], canvas = [], positions, order, cache }: InferencePass,
    rows: ArrayLike<number>,
    outputs: readonly string[],
  ): Promise<Record<string, HostTensor>> {
    // Failures are not kept, because memory may be available later.
    this.#executable ??= this.#engine.compile(this.#define(), this.#options).catch((error: unknown) => {
      this.#executable = undefined;
      throw error;
    });
    const vector = (values: ArrayLike<number>): HostTensor => ({
      shape: [values.length],
      data: Int32Array.from(values),
    });
    const feeds: Record<string, HostTensor> = {
      context: vector(context),
      canvas: vector(canvas),
      positions: vector(positions),
      rows: vector(rows),
      ...(isOrdered(this.#config) ? { order: vector(order ?? [...Array(positions.length).keys()]) } : {}),
    };
    for (const name of cacheNames(this.#config)) feeds[name] = cache?.[name] ?? noKeys(this.#config);
    return (await this.#executable).run(feeds, this.#state, outputs);
  }

  #define(): DynamicProgram {
    const config = this.#config;
    const { num_key_value_heads: groups, num_attention_heads: heads, head_dim: d } = config;
    const weight = this.#weights();
    const tables = rotaryTables(config, config.max_position_embeddings);
    return defineDynamicProgram('inference', ['context', 'canvas', 'cache', 'rows'], (extents) => {
      const length = extents.context + extents.canvas;
      const positions = input('positions', [length], 'i32');
      const turns = { cosines: gather(tables.cosines, positions), sines: gather(tables.sines, positions) };
      const tokens = concat([input('context', [extents.context], 'i32'), input('canvas', [extents.canvas], 'i32')], 0);
      const rows = input('rows', [extents.rows], 'i32');
      const rule = isOrdered(config) ? orderRule(length, extents.cache) : undefined;
      const rules = rule && { all: forHeads(config, rule), atRows: forHeads(config, gather(rule, rows)) };
      const atRows = (states: Tensor): Tensor => gather(states, rows);
      const outputs: Record<string, Tensor> = {};
      const attend = (layer: number, of: Weights, x: Tensor): Tensor => {
        // After the last layer's keys and values, only the rows that are asked for are needed.
        const isLast = layer === config.num_hidden_layers - 1;
        const { k, v } = keysAndValues(config, of, x, turns);
        const q = isLast
          ? queries(config, of, atRows(x), { cosines: atRows(turns.cosines), sines: atRows(turns.sines) })
          : queries(config, of, x, turns);
        const extended = (name: string, own: Tensor): Tensor => {
          outputs[written(name)] = slice(own, 2, 0, extents.context);
          return concat([input(name, [1, groups, extents.cache, d]), own], 2);
        };
        const scores = similarity(q, extended(`k.${layer}`, k));
        const weights = softmax(rules ? add(scores, isLast ? rules.atRows : rules.all) : scores);
        const mixed = matmul(weights, extended(`v.${layer}`, v));
        const count = isLast ? extents.rows : length;
        return reshape(joinHeads(config, of, reshape(mixed, [1, heads, count, d])), [count, config.hidden_size]);
      };
      const states = layers(config, weight, tokens, attend, atRows);
      const logits = head(config, weight, states);
      return { outputs: { ...outputs, logits, ...predictionsOf(logits, config.mask_token_id) } };
    });
  }
}

const noKeys = ({ num_key_value_heads: groups, head_dim: d }: ModelConfig): HostTensor => ({
  shape: [1, groups, 0, d],
  data: new Float32Array(0),
});

const predictionOutputs = ['top', 'topLogits', 'logSumExp', 'entropy'] as const;

const cacheNames = ({ num_hidden_layers: count }: ModelConfig): string[] =>
  Array.from({ length: count }, (_, layer) => [`k.${layer}`, `v.${layer}`]).flat();

/** The name of the output for keys or values whose input has this name. */
const written = (name: string): string => `new.${name}`;

/** 0 where a query [length] attends to a key [cache + length], and a large negative number elsewhere. */
function orderRule(length: number, cache: number): Tensor {
  const order = input('order', [length], 'i32');
  const later = cast(less(reshape(order, [length, 1]), reshape(order, [1, length])), 'f32');
  return concat([broadcast(scalar(0), [length, cache]), mul(later, hidden)], 1);
}

/** A rule [queries, keys] for scores [1, groups, heads per group * queries, keys]. */
function forHeads({ num_attention_heads: heads, num_key_value_heads: groups }: ModelConfig, rule: Tensor): Tensor {
  return concat(Array(heads / groups).fill(rule), 0);
}

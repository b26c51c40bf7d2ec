import type { Engine, State } from '../engine/engine.ts';
import { ProgramCache } from '../engine/program-cache.ts';
import { add, concat, constant, input, matmul, reshape, slice, softmax, transpose } from '../graph/primitives.ts';
import { defineProgram, type Program } from '../graph/program.ts';
import type { HostTensor, Tensor } from '../graph/tensor.ts';
import type { ModelConfig } from './config.ts';
import { type Context, OpenContexts } from './context.ts';
import type { Weights } from './projection.ts';
import { bucket } from './shape-bucket.ts';
import {
  causalFirst,
  causal as causalRule,
  joinHeads,
  layers,
  logitsAt,
  mask,
  type Positions,
  projections,
  rotaryTablesAt,
  similarity,
  unseen,
} from './transformer.ts';

/** Context lengths are padded to a multiple of this, so that few programs are compiled. */
const lengthBucket = 64;

/** Tokens and their positions in the text. The gap between prefix and suffix takes up positions. */
export interface PlacedTokens {
  readonly tokens: readonly number[];
  readonly positions: readonly number[];
}

const none: PlacedTokens = { tokens: [], positions: [] };

/** The number of rows that passed through the network, and the number of their tokens. */
export interface ReadRequest {
  forwards: number;
  tokens: number;
}

/**
 * Computes the keys and values of a context, and the logits of canvases that attend to them. The result is exact for
 * `prefix-lm` attention, where the context never attends to the canvas, and for `causal` and `causal-context` attention, where
 * the canvas comes after the context. With `full` attention the context also attends to the canvas. Its keys and values then depend on the
 * canvas at the time of reading, and are an approximation after the canvas changes. The reader keeps only compiled programs;
 * the caller (`DecodingSession`) owns the contexts that it returns.
 */
export class ContextReader {
  readonly #config: ModelConfig;
  readonly #state: State;
  /** Returns the weights as nodes of a new program. */
  readonly #weights: () => Weights;
  readonly #programs: ProgramCache;
  readonly #work: ReadRequest;
  readonly #contexts = new OpenContexts();

  /** `state` holds the weights that `weights` returns as nodes. Every pass is counted in `work`. */
  constructor(config: ModelConfig, engine: Engine, state: State, weights: () => Weights, work: ReadRequest) {
    if (config.attention === 'block-causal')
      throw new Error('keys and values of a context cannot be kept with block-causal attention');
    this.#config = config;
    this.#state = state;
    this.#weights = weights;
    this.#work = work;
    this.#programs = new ProgramCache(engine);
  }

  /** The number of contexts that were read and not disposed of. */
  get open(): number {
    return this.#contexts.count;
  }

  /** Computes the keys and values of a context. With `full` attention the context also attends to `canvas`. */
  async read({ tokens, positions }: PlacedTokens, canvas: PlacedTokens = none): Promise<Context> {
    const capacity = Math.max(1, Math.ceil(tokens.length / lengthBucket)) * lengthBucket;
    const width = canvas.tokens.length;
    const padded = (values: readonly number[], after: readonly number[], fill: number): Int32Array => {
      const data = new Int32Array(capacity + width).fill(fill);
      data.set(values);
      data.set(after, capacity);
      return data;
    };
    const present: HostTensor = { shape: [capacity], data: new Float32Array(capacity).fill(1, 0, tokens.length) };
    const program = await this.#programs.get(`context ${capacity} ${width}`, () =>
      this.#contextProgram(capacity, width),
    );
    const cache = await program.run(
      {
        tokens: { shape: [1, capacity + width], data: padded(tokens, canvas.tokens, this.#config.pad_token_id) },
        positions: { shape: [capacity + width], data: padded(positions, canvas.positions, 0) },
        // Keys and values of the first layer do not depend on other tokens.
        ...(this.#config.num_hidden_layers > 1 ? { present } : {}),
      },
      this.#state,
    );
    this.#work.forwards++;
    this.#work.tokens += capacity + width;
    return this.#contexts.own({ tokens: tokens.length, cache, present });
  }

  /**
   * Computes the logits of canvases [length] that fill the same gap of one context. The gap begins at position `position` of
   * the text. Each canvas gives the logits of its positions [from, to): [(to - from) * vocab_size]. With `causal-context`
   * attention, a canvas begins with the last token of the context, which attends to the context only. With `causal`, such a
   * model's canvas attends as the context does, as in an autoregressive model.
   */
  async logits(
    context: Context,
    canvases: readonly Int32Array[],
    { position, from, to, causal = false }: { position: number; from: number; to: number; causal?: boolean },
  ): Promise<Float32Array[]> {
    const batch = bucket(canvases.length);
    const length = (canvases[0] as Int32Array).length;
    const capacity = context.present.data.length;
    const queryCount = to - from;
    const { vocab_size: vocabulary, pad_token_id: filler } = this.#config;
    const tokens = new Int32Array(batch * length).fill(filler);
    const rows = new Int32Array(batch * queryCount);
    for (let row = 0; row < batch; row++) {
      tokens.set(canvases[row] ?? [], row * length);
      for (let i = 0; i < queryCount; i++) rows[row * queryCount + i] = row * length + from + i;
    }
    const program = await this.#programs.get(`canvas ${batch} ${length} ${capacity} ${queryCount} ${causal}`, () =>
      this.#canvasProgram({ batch, length, capacity, queryCount: rows.length, causal }),
    );
    const { logits } = await program.run(
      {
        tokens: { shape: [batch, length], data: tokens },
        positions: { shape: [length], data: Int32Array.from({ length }, (_, i) => position + i) },
        rows: { shape: [rows.length], data: rows },
        // An empty context consists of padding, so all of its keys are masked.
        present: context.present,
        ...context.cache,
      },
      this.#state,
    );
    this.#work.forwards += canvases.length;
    this.#work.tokens += canvases.length * length;
    const data = logits!.data as Float32Array;
    const each = queryCount * vocabulary;
    return canvases.map((_, row) => data.subarray(row * each, (row + 1) * each));
  }

  async dispose(): Promise<void> {
    await this.#programs.dispose();
  }

  /** The part of the network up to the keys and values of the last layer. */
  #contextProgram(capacity: number, width: number): Program {
    const config = this.#config;
    const length = capacity + width;
    const ofContext = unseen(input('present', [capacity]));
    const ofCanvas = constant({ shape: [width], data: new Float32Array(width) });
    const hiddenKeys = reshape(width > 0 ? concat([ofContext, ofCanvas], 0) : ofContext, [1, 1, 1, length]);
    const positions = this.#positions(length);
    const outputs: Record<string, Tensor> = {};
    layers(config, this.#weights(), input('tokens', [1, length], 'i32'), (layer, of, x) => {
      const { q, k, v } = projections(config, of, x, positions);
      const shape = [config.num_key_value_heads, length, config.head_dim];
      outputs[`k.${layer}`] = slice(reshape(k, shape), 1, 0, capacity);
      outputs[`v.${layer}`] = slice(reshape(v, shape), 1, 0, capacity);
      const weights = softmax(add(this.#scores(q, k, length), hiddenKeys));
      return joinHeads(config, of, reshape(matmul(weights, v), [1, config.num_attention_heads, length, -1]));
    });
    return defineProgram('context', { outputs });
  }

  #canvasProgram({
    batch,
    length,
    capacity,
    queryCount,
    causal,
  }: Record<'batch' | 'length' | 'capacity' | 'queryCount', number> & { readonly causal: boolean }): Program {
    const config = this.#config;
    const { num_key_value_heads: groups, num_attention_heads: heads, head_dim: d } = config;
    const weight = this.#weights();
    const hiddenKeys = reshape(unseen(input('present', [capacity])), [1, 1, capacity]);
    const positions = this.#positions(length);
    const rowsOfGroup = (heads / groups) * length;
    // The canvases share the context, so their queries are joined to one long list per group. The cost of the transposes
    // depends on the width of the canvas and not on the context.
    const together = (x: Tensor): Tensor => reshape(transpose(x, [1, 0, 2, 3]), [groups, batch * rowsOfGroup, -1]);
    const apart = (x: Tensor): Tensor => transpose(reshape(x, [groups, batch, rowsOfGroup, -1]), [1, 0, 2, 3]);
    const states = layers(config, weight, input('tokens', [batch, length], 'i32'), (layer, of, x) => {
      const { q, k, v } = projections(config, of, x, positions);
      const kept = (part: 'k' | 'v') => input(`${part}.${layer}`, [groups, capacity, d]);
      const toContext = add(similarity(together(q), kept('k')), hiddenKeys);
      const toCanvas = causal ? mask(similarity(q, k), causalRule(length), length) : this.#canvasScores(q, k, length);
      const weights = softmax(concat([toContext, together(toCanvas)], 2));
      const fromContext = matmul(slice(weights, 2, 0, capacity), kept('v'));
      const fromCanvas = matmul(apart(slice(weights, 2, capacity, capacity + length)), v);
      return joinHeads(config, of, reshape(add(apart(fromContext), fromCanvas), [batch, heads, length, d]));
    });
    return defineProgram('canvas', {
      outputs: { logits: logitsAt(config, weight, states, input('rows', [queryCount], 'i32')) },
    });
  }

  /** Attention scores between the tokens of a context, and of a canvas that it attends to. */
  #scores(q: Tensor, k: Tensor, length: number): Tensor {
    const scores = similarity(q, k);
    const isCausal = this.#config.attention === 'causal' || this.#config.attention === 'causal-context';
    return isCausal ? mask(scores, causalRule(length), length) : scores;
  }

  /** Attention scores between the tokens of a canvas. */
  #canvasScores(q: Tensor, k: Tensor, length: number): Tensor {
    if (this.#config.attention !== 'causal-context') return this.#scores(q, k, length);
    return mask(similarity(q, k), causalFirst(length), length);
  }

  /** Rotary tables, computed from the program inputs for the positions [length]. */
  #positions(length: number): Positions {
    return rotaryTablesAt(this.#config, input('positions', [length], 'i32'));
  }
}

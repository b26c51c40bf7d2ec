import path from 'node:path';
import type { Engine, State, WeightFile } from '../engine/engine.ts';
import { ProgramCache } from '../engine/program-cache.ts';
import { constant, input, state } from '../graph/primitives.ts';
import { defineProgram, type Program } from '../graph/program.ts';
import { type HostTensor, type Shape, sourceOf, type Tensor, type TensorSource } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import { writeJson } from '../platform/files.ts';
import { writeAdapter } from './adapter-folder.ts';
import { type Checkpoint, writeCheckpoint } from './checkpoint.ts';
import type { ModelConfig } from './config.ts';
import { ContextReader, type ReadRequest } from './context-reader.ts';
import type { GenerationDefaults } from './generation.ts';
import { InferenceProgram } from './inference-program.ts';
import { InferenceReader } from './inference-reader.ts';
import { type Adapter, lookUp, trainedShapes } from './lora.ts';
import { assertMemory, keptBytes } from './memory.ts';
import { type Precision, quantizedWeights } from './precision.ts';
import type { Weights } from './projection.ts';
import type { Query } from './query.ts';
import { bucket } from './shape-bucket.ts';
import { type Smoothing, smoothed, smoothingShapes } from './smoothing.ts';
import type { Tokenizer } from './tokenizer.ts';
import { head, hiddenStates, logitsAt, weightShapes } from './transformer.ts';

/** The most tokens in a forward pass, so that activations stay small. Larger batches are split. */
const tokensPerPass = 8192;

/** The most logits in a forward pass: 2^26 numbers take a quarter of a gibibyte. */
const mostLogits = 2 ** 26;

/** The most positions in a forward pass. It is lower for a large vocabulary, which has more logits. Rows are never split. */
export const logitsPerPass = ({ vocab_size }: Pick<ModelConfig, 'vocab_size'>): number =>
  Math.min(tokensPerPass, Math.max(1, Math.floor(mostLogits / vocab_size)));

/** Whether the attention depends on where the canvas is. */
export const readsCanvas = ({ attention }: Pick<ModelConfig, 'attention'>): boolean =>
  attention === 'prefix-lm' || attention === 'causal-context';

/** A model on an engine. Its weights stay on the device, and forward passes are compiled once per shape bucket. */
export class LanguageModel {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly generation: GenerationDefaults;
  /** The adapter of the model, without its weights, which are in the state. */
  readonly adapter: Omit<Adapter, 'weights'> | undefined;
  readonly engine: Engine;
  readonly state: State;
  /** The precision of the frozen projections. */
  readonly precision: Precision;
  /** The weights that training changes: those of the adapter if there is one, otherwise all weights. */
  readonly trained: ReadonlyMap<string, Shape>;
  /** The rows and tokens that were computed since the model was loaded. */
  readonly work: ReadRequest = { forwards: 0, tokens: 0 };
  readonly #programs: ProgramCache;
  /** Frozen weights to release with this model; null if they are part of `state` or belong to another model. */
  readonly #base: State | null;
  #context: ContextReader | undefined;
  /** Computes all passes if the base is frozen and the engine compiles programs for any length. */
  readonly inference: InferenceReader | undefined;
  /** The frozen weights of the base; null if training changes all weights. */
  readonly #frozenBase: State | null;

  private constructor(
    checkpoint: Pick<LanguageModel, 'config' | 'tokenizer' | 'generation' | 'precision' | 'adapter'>,
    engine: Engine,
    loaded: State,
    base: State | null,
    frozenBase: State | null = null,
  ) {
    this.config = checkpoint.config;
    this.tokenizer = checkpoint.tokenizer;
    this.generation = checkpoint.generation;
    this.adapter = checkpoint.adapter;
    this.precision = checkpoint.precision;
    this.engine = engine;
    this.state = loaded;
    this.trained = trainedShapes(this.config, this.adapter);
    this.#base = base;
    this.#programs = new ProgramCache(engine);
    this.#frozenBase = frozenBase;
    if (!frozenBase || !engine.dynamicShapes) return;
    const program = new InferenceProgram(this.config, engine, loaded, frozenBase, () => this.#weights());
    this.inference = new InferenceReader(this.config, program, this.work);
  }

  /**
   * Loads a checkpoint on an engine. Throws a `UserError` if this machine has too little memory. `extra` is state that programs
   * keep in addition to the weights, such as that of an optimizer. If the checkpoint has an adapter, its base is frozen and
   * stored once, in the precision that the adapter names.
   */
  static async load(
    engine: Engine,
    checkpoint: Checkpoint<ReadonlyMap<string, HostTensor> | TensorSource>,
    extra: ReadonlyMap<string, HostTensor> = new Map(),
  ) {
    const { adapter, ...rest } = checkpoint;
    if (adapter) {
      const { precision } = adapter.base;
      const ownWeights = new Map([...adapter.weights, ...extra]);
      const extraBytes = keptBytes(sourceOf(ownWeights).shapes);
      const base = await LanguageModel.#frozen(engine, checkpoint, precision, { extraBytes });
      const own = await engine.createState(ownWeights, { over: base });
      return new LanguageModel({ ...rest, adapter: described(adapter), precision }, engine, own, base);
    }
    const [weights, ownWeights] = [sourceOf(checkpoint.weights), sourceOf(extra)];
    const all: TensorSource = {
      shapes: new Map([...weights.shapes, ...ownWeights.shapes]),
      read: (name) => (ownWeights.shapes.has(name) ? ownWeights : weights).read(name),
    };
    assertMemory(keptBytes(all.shapes));
    const state = await engine.createState(all);
    return new LanguageModel({ ...rest, precision: 'f32', adapter: undefined }, engine, state, null);
  }

  /**
   * Loads the full weights of a checkpoint on an engine. The weights are frozen, and adapters can be added to them. Throws a
   * `UserError` if this machine has too little memory. `file`: where the engine may keep the weights for the next time.
   */
  static async loadFrozen(
    engine: Engine,
    checkpoint: Checkpoint<ReadonlyMap<string, HostTensor> | TensorSource>,
    precision: Precision,
    { smoothing, file }: { readonly smoothing?: Smoothing | undefined; readonly file?: WeightFile | undefined } = {},
  ): Promise<LanguageModel> {
    const weights = smoothing
      ? smoothed(checkpoint.config, sourceOf(checkpoint.weights), smoothing)
      : checkpoint.weights;
    const state = await LanguageModel.#frozen(engine, { ...checkpoint, weights }, precision, { file });
    return new LanguageModel({ ...checkpoint, precision, adapter: undefined }, engine, state, null, state);
  }

  /** @param extraBytes bytes of memory needed in addition to the weights */
  static async #frozen(
    engine: Engine,
    { config, weights }: Checkpoint<ReadonlyMap<string, HostTensor> | TensorSource>,
    precision: Precision,
    { extraBytes = 0, file }: { readonly extraBytes?: number; readonly file?: WeightFile | undefined } = {},
  ): Promise<State> {
    const quantized = quantizedWeights(config, precision);
    assertMemory(keptBytes(sourceOf(weights).shapes, engine.keepsQuantized ? quantized : undefined) + extraBytes);
    return engine.createState(weights, { frozen: true, quantized, file });
  }

  /**
   * Returns a model with an adapter that shares this model's weights. Dispose of the returned model first. With `ownsBase`, it
   * disposes of the weights too, and this model must not be used any more.
   */
  async withAdapter(adapter: Adapter, { ownsBase = false } = {}): Promise<LanguageModel> {
    const own = await this.engine.createState(adapter.weights, { over: this.state });
    return new LanguageModel(
      { ...this, adapter: described(adapter) },
      this.engine,
      own,
      ownsBase ? this.state : null,
      this.#frozenBase,
    );
  }

  /** Returns a copy with these trained weights. If there is a frozen base, it is shared; dispose of the copy first. */
  async copy(trained: ReadonlyMap<string, HostTensor>): Promise<LanguageModel> {
    const state = await this.engine.createState(trained, this.adapter ? { over: this.state } : {});
    return new LanguageModel(this, this.engine, state, null);
  }

  /** The weights as nodes of a program, including those of an adapter. */
  weightNodes(): Map<string, ReturnType<typeof state>> {
    const quantized = quantizedWeights(this.config, this.precision);
    return new Map(
      [...weightShapes(this.config), ...this.#smoothing(), ...this.trained].map(([name, shape]) => [
        name,
        state(name, shape, quantized.get(name)),
      ]),
    );
  }

  /** Names and shapes of the smoothing factors for inputs of projections; empty if the state has none. */
  #smoothing(): [string, Shape][] {
    return [...smoothingShapes(this.config)].filter(([name]) => this.state.shapes.has(name));
  }

  /** Looks up weights among these nodes, including the updates of an adapter. */
  lookUp(nodes: ReadonlyMap<string, Tensor>): Weights {
    return lookUp(nodes, this.adapter);
  }

  /** Copies of the trained weights: those of the adapter if there is one, otherwise all weights. */
  async readWeights(): Promise<Map<string, HostTensor>> {
    const weights = new Map<string, HostTensor>();
    for (const name of this.trained.keys()) weights.set(name, await this.state.read(name));
    return weights;
  }

  /**
   * Computes the logits at the target positions of each row: one Float32Array [positions.length * vocab_size] per query, in
   * order. Rows of different lengths are padded to a bucket of lengths, and every pass to a bucket of batch sizes, so that
   * few programs are compiled.
   */
  async logits(queries: readonly Query[]): Promise<Float32Array[]> {
    const results: Float32Array[] = [];
    const longest = queries.reduce((most, { tokens }) => Math.max(most, tokens.length), 1);
    this.checkLength(longest);
    if (this.inference) {
      for (const query of queries) results.push(await this.inference.textLogits(query));
      return results;
    }
    const length = queries.every(({ tokens }) => tokens.length === longest)
      ? longest
      : lengthBucket(longest, this.config);
    const rowsPerPass = Math.max(1, Math.floor(logitsPerPass(this.config) / length));
    for (let start = 0; start < queries.length; start += rowsPerPass)
      results.push(...(await this.#pass(queries.slice(start, start + rowsPerPass), length)));
    return results;
  }

  /** The raw output of the head for every position of one row, not shifted: [length * vocab_size]. */
  async rawLogits(tokens: Int32Array): Promise<Float32Array> {
    this.checkLength(tokens.length);
    if (this.inference) return this.inference.rawLogits(tokens);
    const program = this.#programs.get(`raw ${tokens.length}`, () => {
      const weight = this.#weights();
      const shape = [1, tokens.length];
      // With `prefix-lm` attention the whole row is canvas, so nothing is masked; with `causal-context` it is context.
      const isCanvas = this.config.attention === 'causal-context' ? 0 : 1;
      const canvas = constant({ shape, data: new Float32Array(tokens.length).fill(isCanvas) });
      const states = hiddenStates(this.config, weight, { tokens: input('tokens', shape, 'i32'), canvas });
      return defineProgram('raw logits', { outputs: { logits: head(this.config, weight, states) } });
    });
    const { logits } = await (await program).run({ tokens: { shape: [1, tokens.length], data: tokens } }, this.state);
    return logits!.data as Float32Array;
  }

  /** Throws a `UserError` if a row is longer than the model's positions. */
  checkLength(length: number): void {
    const most = this.config.max_position_embeddings;
    if (length > most)
      throw new UserError(
        `A text of ${length} tokens is longer than the model's ${most}; shorten the prompt or the completion.`,
      );
  }

  /** Computes keys and values of a context, for a `DecodingSession`; only with `prefix-lm` or `causal` attention. */
  get context(): Pick<ContextReader, 'read' | 'logits' | 'open'> {
    if (this.inference) return this.inference;
    this.#context ??= new ContextReader(this.config, this.engine, this.state, () => this.#weights(), this.work);
    return this.#context;
  }

  /** Writes a checkpoint folder with the current weights. If the model has an adapter, only the adapter is written. */
  async save(folder: string): Promise<void> {
    if (this.adapter) {
      // A converted model is decoded in its own way, which its base does not know.
      if (this.adapter.base.conversion) await writeJson(path.join(folder, 'generation_config.json'), this.generation);
      await writeAdapter(folder, { ...this.adapter, weights: await this.readWeights() });
    } else {
      const weights = { shapes: weightShapes(this.config), read: (name: string) => this.state.read(name) };
      await writeCheckpoint(folder, { ...this, weights });
    }
  }

  async dispose(): Promise<void> {
    await this.inference?.dispose();
    await this.#context?.dispose();
    await this.#programs.dispose();
    await this.state.dispose();
    await this.#base?.dispose();
  }

  async #pass(queries: readonly Query[], length: number): Promise<Float32Array[]> {
    const batch = bucket(queries.length);
    const padded = queries.some(({ tokens }) => tokens.length !== length);
    // With a small vocabulary, computing all logits costs less than compiling a program per number of target positions.
    const everywhere = this.config.vocab_size <= this.config.hidden_size;
    const positionCount = queries.reduce((count, { positions }) => count + positions.length, 0);
    const rows = everywhere ? null : 2 ** Math.ceil(Math.log2(Math.max(1, positionCount)));
    const tokens = new Int32Array(batch * length).fill(this.config.pad_token_id);
    const present = new Float32Array(padded ? batch * length : 0);
    const split = readsCanvas(this.config);
    const canvas = new Float32Array(split ? batch * length : 0);
    const flatPositions = queries.flatMap(({ positions }, row) => positions.map((position) => row * length + position));
    queries.forEach((query, row) => {
      tokens.set(query.tokens, row * length);
      if (padded) present.fill(1, row * length, row * length + query.tokens.length);
      if (!split) return;
      const end = row * length + query.tokens.length;
      canvas.fill(1, row * length + (query.canvas ?? 0), (row + 1) * length);
      canvas.fill(0, end - (query.suffix ?? 0), end);
    });
    // A row of padding needs one visible key, because its softmax would have none.
    if (padded) for (let row = queries.length; row < batch; row++) present[row * length] = 1;

    const program = await this.#programs.get(`${batch} ${length} ${rows} ${padded}`, () =>
      this.#forward(batch, length, rows, padded),
    );
    const feeds: Record<string, HostTensor> = { tokens: { shape: [batch, length], data: tokens } };
    if (padded) feeds.present = { shape: [batch, length], data: present };
    if (split) feeds.canvas = { shape: [batch, length], data: canvas };
    if (rows !== null) {
      const data = new Int32Array(rows);
      data.set(flatPositions);
      feeds.rows = { shape: [rows], data };
    }
    const { logits } = await program.run(feeds, this.state);
    this.work.forwards += queries.length;
    this.work.tokens += queries.length * length;
    return cut(logits!.data as Float32Array, queries, this.config.vocab_size, everywhere ? flatPositions : null);
  }

  #forward(batch: number, length: number, rows: number | null, padded: boolean): Program {
    const weight = this.#weights();
    const states = hiddenStates(this.config, weight, {
      tokens: input('tokens', [batch, length], 'i32'),
      present: padded ? input('present', [batch, length]) : undefined,
      canvas: readsCanvas(this.config) ? input('canvas', [batch, length]) : undefined,
    });
    const positions = rows === null ? undefined : input('rows', [rows], 'i32');
    return defineProgram('forward', { outputs: { logits: logitsAt(this.config, weight, states, positions) } });
  }

  #weights(): Weights {
    return this.lookUp(this.weightNodes());
  }
}

/** An adapter without its weights, which only the state holds. */
function described({ weights, ...adapter }: Adapter): Omit<Adapter, 'weights'> {
  return adapter;
}

/** Splits logits by query. `rows` holds the rows of `logits` to take; null: all rows, in order. */
function cut(
  logits: Float32Array,
  queries: readonly Query[],
  vocabulary: number,
  rows: readonly number[] | null,
): Float32Array[] {
  let next = 0;
  return queries.map(({ positions }) => {
    const start = next;
    next += positions.length;
    if (rows === null) return logits.subarray(start * vocabulary, next * vocabulary);
    const own = new Float32Array(positions.length * vocabulary);
    for (let index = 0; index < positions.length; index++) {
      const row = rows[start + index] as number;
      own.set(logits.subarray(row * vocabulary, (row + 1) * vocabulary), index * vocabulary);
    }
    return own;
  });
}

function lengthBucket(length: number, config: ModelConfig): number {
  return Math.min(config.max_position_embeddings, Math.ceil(length / 16) * 16);
}

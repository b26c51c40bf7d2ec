import type { Engine, State } from '../engine/engine.ts';
import { ProgramCache } from '../engine/program-cache.ts';
import { constant, input, state } from '../graph/primitives.ts';
import { defineProgram, type Program } from '../graph/program.ts';
import type { HostTensor } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import { type Checkpoint, writeCheckpoint } from './checkpoint.ts';
import type { ModelConfig } from './config.ts';
import { ContextReader, type Work } from './context-reader.ts';
import type { GenerationDefaults } from './generation.ts';
import { GivenReader } from './given-reader.ts';
import type { Query } from './query.ts';
import { bucket } from './shape-bucket.ts';
import type { Tokenizer } from './tokenizer.ts';
import { head, hiddenStates, logitsAt, type Weights, weightShapes } from './transformer.ts';

/** A forward pass holds at most this many tokens, so that activations stay small; larger batches are cut. */
const tokensPerPass = 8192;

/** A model on an engine: its weights stay on the device, and forward passes are compiled once per shape bucket. */
export class LanguageModel {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly generation: GenerationDefaults;
  readonly engine: Engine;
  readonly state: State;
  /** What was computed since the model was loaded. */
  readonly work: Work = { forwards: 0, tokens: 0 };
  readonly #programs: ProgramCache;
  #context: ContextReader | undefined;

  private constructor(checkpoint: Omit<Checkpoint, 'weights'>, engine: Engine, loaded: State) {
    this.config = checkpoint.config;
    this.tokenizer = checkpoint.tokenizer;
    this.generation = checkpoint.generation;
    this.engine = engine;
    this.state = loaded;
    this.#programs = new ProgramCache(engine);
  }

  /** Puts a checkpoint on an engine. `extra` is state that programs keep beside the weights, such as an optimiser's. */
  static async load(engine: Engine, checkpoint: Checkpoint, extra: ReadonlyMap<string, HostTensor> = new Map()) {
    return new LanguageModel(checkpoint, engine, await engine.createState(new Map([...checkpoint.weights, ...extra])));
  }

  /** The weights as nodes of a program. */
  weightNodes(): Map<string, ReturnType<typeof state>> {
    return new Map([...weightShapes(this.config)].map(([name, shape]) => [name, state(name, shape)]));
  }

  async readWeights(): Promise<Map<string, HostTensor>> {
    const weights = new Map<string, HostTensor>();
    for (const name of weightShapes(this.config).keys()) weights.set(name, await this.state.read(name));
    return weights;
  }

  /**
   * Logits at the wanted places of each row: one Float32Array [places.length * vocab_size] per query, in order. Rows are
   * padded to a bucket of lengths and cut into passes of a bucket of sizes, so that few programs are compiled.
   */
  async logits(queries: readonly Query[]): Promise<Float32Array[]> {
    const results: Float32Array[] = [];
    const longest = queries.reduce((most, { tokens }) => Math.max(most, tokens.length), 1);
    this.checkLength(longest);
    const length = queries.every(({ tokens }) => tokens.length === longest)
      ? longest
      : lengthBucket(longest, this.config);
    const rowsPerPass = Math.max(1, Math.floor(tokensPerPass / length));
    for (let start = 0; start < queries.length; start += rowsPerPass)
      results.push(...(await this.#pass(queries.slice(start, start + rowsPerPass), length)));
    return results;
  }

  /** The head's raw output for every place of one row, unshifted: [length * vocab_size]. */
  async rawLogits(tokens: Int32Array): Promise<Float32Array> {
    this.checkLength(tokens.length);
    const program = this.#programs.get(`raw ${tokens.length}`, () => {
      const weight = this.#weights();
      const shape = [1, tokens.length];
      // Nothing is given here: every token sees every other as far as the attention allows.
      const canvas = constant({ shape, data: new Float32Array(tokens.length).fill(1) });
      const states = hiddenStates(this.config, weight, { tokens: input('tokens', shape, 'i32'), canvas });
      return defineProgram('raw logits', { outputs: { logits: head(this.config, weight, states) } });
    });
    const { logits } = await (await program).run({ tokens: { shape: [1, tokens.length], data: tokens } }, this.state);
    return logits!.data as Float32Array;
  }

  /** Throws a `UserError` where a row is longer than the model's positions. */
  checkLength(length: number): void {
    const most = this.config.max_position_embeddings;
    if (length > most)
      throw new UserError(
        `A text of ${length} tokens is longer than the model's ${most}; shorten the prompt or the completion.`,
      );
  }

  /**
   * `logits` for rows whose canvases fill step by step: where the attention allows it, what is given is read once and not in
   * every pass. Good until the weights change. Throws a `UserError` where the model does not denoise.
   */
  stepwise(): (queries: readonly Query[]) => Promise<Float32Array[]> {
    if (this.config.attention === 'causal')
      throw new UserError(
        'This model predicts the next token and does not denoise, so it is there to be compared with; choose a diffusion model.',
      );
    if (this.config.attention !== 'prefix-lm') return (queries) => this.logits(queries);
    const reader = new GivenReader(this.context, tokensPerPass);
    return (queries) => {
      for (const { tokens } of queries) this.checkLength(tokens.length);
      return reader.logits(queries);
    };
  }

  /** Reads given text once for many canvases; for models with `prefix-lm` or `causal` attention. */
  get context(): ContextReader {
    this.#context ??= new ContextReader(this.config, this.engine, this.state, this.work);
    return this.#context;
  }

  /** Writes the model as it stands as a checkpoint folder. */
  async save(folder: string): Promise<void> {
    await writeCheckpoint(folder, { ...this, weights: await this.readWeights() });
  }

  async dispose(): Promise<void> {
    await this.#context?.dispose();
    await this.#programs.dispose();
    await this.state.dispose();
  }

  async #pass(queries: readonly Query[], length: number): Promise<Float32Array[]> {
    const batch = bucket(queries.length);
    const padded = queries.some(({ tokens }) => tokens.length !== length);
    // A small vocabulary's head costs less than a program per number of wanted places.
    const everywhere = this.config.vocab_size <= this.config.hidden_size;
    const wanted = queries.reduce((count, { places }) => count + places.length, 0);
    const rows = everywhere ? null : 2 ** Math.ceil(Math.log2(Math.max(1, wanted)));
    const tokens = new Int32Array(batch * length).fill(this.config.pad_token_id);
    const present = new Float32Array(padded ? batch * length : 0);
    const split = this.config.attention === 'prefix-lm';
    const canvas = new Float32Array(split ? batch * length : 0);
    const flatPlaces = queries.flatMap(({ places }, row) => places.map((place) => row * length + place));
    queries.forEach((query, row) => {
      tokens.set(query.tokens, row * length);
      if (padded) present.fill(1, row * length, row * length + query.tokens.length);
      if (!split) return;
      const end = row * length + query.tokens.length;
      canvas.fill(1, row * length + (query.canvas ?? 0), (row + 1) * length);
      canvas.fill(0, end - (query.suffix ?? 0), end);
    });
    // A row of padding alone would leave its softmax without a key.
    if (padded) for (let row = queries.length; row < batch; row++) present[row * length] = 1;

    const program = await this.#programs.get(`${batch} ${length} ${rows} ${padded}`, () =>
      this.#forward(batch, length, rows, padded),
    );
    const feeds: Record<string, HostTensor> = { tokens: { shape: [batch, length], data: tokens } };
    if (padded) feeds.present = { shape: [batch, length], data: present };
    if (split) feeds.canvas = { shape: [batch, length], data: canvas };
    if (rows !== null) {
      const data = new Int32Array(rows);
      data.set(flatPlaces);
      feeds.rows = { shape: [rows], data };
    }
    const { logits } = await program.run(feeds, this.state);
    this.work.forwards += queries.length;
    this.work.tokens += queries.length * length;
    return cut(logits!.data as Float32Array, queries, this.config.vocab_size, everywhere ? flatPlaces : null);
  }

  #forward(batch: number, length: number, rows: number | null, padded: boolean): Program {
    const weight = this.#weights();
    const states = hiddenStates(this.config, weight, {
      tokens: input('tokens', [batch, length], 'i32'),
      present: padded ? input('present', [batch, length]) : undefined,
      canvas: this.config.attention === 'prefix-lm' ? input('canvas', [batch, length]) : undefined,
    });
    const places = rows === null ? undefined : input('rows', [rows], 'i32');
    return defineProgram('forward', { outputs: { logits: logitsAt(this.config, weight, states, places) } });
  }

  #weights(): Weights {
    const nodes = this.weightNodes();
    return (name) => nodes.get(name)!;
  }
}

/** Each query's own rows of logits; `rows` says where in `logits` they stand, null that they stand in order. */
function cut(
  logits: Float32Array,
  queries: readonly Query[],
  vocabulary: number,
  rows: readonly number[] | null,
): Float32Array[] {
  let next = 0;
  return queries.map(({ places }) => {
    const start = next;
    next += places.length;
    if (rows === null) return logits.subarray(start * vocabulary, next * vocabulary);
    const own = new Float32Array(places.length * vocabulary);
    for (let index = 0; index < places.length; index++) {
      const row = rows[start + index] as number;
      own.set(logits.subarray(row * vocabulary, (row + 1) * vocabulary), index * vocabulary);
    }
    return own;
  });
}

function lengthBucket(length: number, config: ModelConfig): number {
  return Math.min(config.max_position_embeddings, Math.ceil(length / 16) * 16);
}

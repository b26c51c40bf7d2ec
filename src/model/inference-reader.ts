import type { HostTensor } from '../graph/tensor.ts';
import type { ModelConfig } from './config.ts';
import { type Context, OpenContexts } from './context.ts';
import type { ContextReader, PlacedTokens, ReadRequest } from './context-reader.ts';
import type { InferencePass, InferenceProgram, KeysAndValues } from './inference-program.ts';
import type { Prediction } from './prediction.ts';
import type { Query } from './query.ts';

/** The positions of canvases in their text, and the range of their tokens to predict. */
type CanvasRange = Parameters<ContextReader['logits']>[2];

/** A pass over a text or a part of it, the rows of its outputs that are needed, and the positions in the query that they answer. */
interface TextPass {
  readonly pass: InferencePass;
  readonly rows: readonly number[];
  readonly indices: readonly number[];
}

/** A context that was read, and its keys and values. */
interface LastContext {
  readonly tokens: readonly number[];
  readonly cache: KeysAndValues;
}

/**
 * Reads contexts and predicts tokens like `ContextReader` and `LanguageModel.logits`, with the one program of a model whose weights
 * are frozen. Nothing is padded, and canvases and texts are computed one after the other.
 *
 * If the context attends causally, the keys and values of the last one are kept, and the next one computes only the tokens after
 * those that both begin with. While somebody types, these are few. This is exact.
 */
export class InferenceReader implements Pick<ContextReader, 'read' | 'logits' | 'open' | 'dispose'> {
  readonly #config: ModelConfig;
  readonly #program: InferenceProgram;
  readonly #work: ReadRequest;
  readonly #contexts = new OpenContexts();
  #last: LastContext | undefined;

  constructor(config: ModelConfig, program: InferenceProgram, work: ReadRequest) {
    this.#config = config;
    this.#program = program;
    this.#work = work;
  }

  /** The number of contexts that were read and not disposed of. */
  get open(): number {
    return this.#contexts.count;
  }

  /** Computes the keys and values of a context. With `full` attention the context also attends to `canvas`. */
  async read({ tokens, positions }: PlacedTokens, canvas?: PlacedTokens): Promise<Context> {
    if (!canvas && this.#isCausal && positions.every((position, index) => position === index))
      return this.#owned(tokens.length, await this.#extendLast(tokens));
    const cache = await this.#program.keysAndValues({
      context: tokens,
      ...(canvas ? { canvas: canvas.tokens } : {}),
      positions: [...positions, ...(canvas?.positions ?? [])],
    });
    this.#count(tokens.length + (canvas?.tokens.length ?? 0));
    return this.#owned(tokens.length, cache);
  }

  /** The logits of each canvas at the tokens [from, to): [(to - from) * vocab_size]. */
  async logits(context: Context, canvases: readonly Int32Array[], range: CanvasRange): Promise<Float32Array[]> {
    const results: Float32Array[] = [];
    for (const canvas of canvases) {
      const { pass, rows } = this.#canvasPass(context.cache, canvas, range);
      results.push(await this.#program.logits(pass, rows));
    }
    return results;
  }

  /** The predictions of each canvas for the tokens [from, to). */
  async predictions(context: Context, canvases: readonly Int32Array[], range: CanvasRange): Promise<Prediction[][]> {
    const results: Prediction[][] = [];
    for (const canvas of canvases) {
      const { pass, rows } = this.#canvasPass(context.cache, canvas, range);
      results.push(await this.#program.predictions(pass, rows));
    }
    return results;
  }

  /** The logits at the positions of a text, [positions.length * vocab_size]. */
  async textLogits(query: Query): Promise<Float32Array> {
    const vocabulary = this.#config.vocab_size;
    const logits = new Float32Array(query.positions.length * vocabulary);
    for (const { pass, rows, indices } of await this.#textPasses(query)) {
      const own = await this.#program.logits(pass, rows);
      for (const [row, index] of indices.entries())
        logits.set(own.subarray(row * vocabulary, (row + 1) * vocabulary), index * vocabulary);
    }
    return logits;
  }

  /** The predictions at the positions of a text. */
  async textPredictions(query: Query): Promise<Prediction[]> {
    const predictions: Prediction[] = [];
    for (const { pass, rows, indices } of await this.#textPasses(query)) {
      const own = await this.#program.predictions(pass, rows);
      for (const [row, index] of indices.entries()) predictions[index] = own[row] as Prediction;
    }
    return predictions;
  }

  /** The output of the head for every token of a text, not shifted: [length * vocab_size]. */
  async rawLogits(tokens: Int32Array): Promise<Float32Array> {
    const all = [...tokens.keys()];
    return this.#program.logits({ canvas: tokens, positions: all, order: this.#order(tokens.length) }, all);
  }

  async dispose(): Promise<void> {
    this.#last = undefined;
    await this.#program.dispose();
  }

  get #isCausal(): boolean {
    return this.#config.attention === 'causal' || this.#config.attention === 'causal-context';
  }

  /** Keys and values of a causal context, of which the tokens that the last context began with too are not computed again. */
  async #extendLast(tokens: readonly number[]): Promise<KeysAndValues> {
    const last = this.#last;
    const differs = tokens.findIndex((token, index) => token !== last?.tokens[index]);
    const known = differs === -1 ? tokens.length : differs;
    const kept = last ? firstKeys(last.cache, known) : {};
    if (known === tokens.length && last) return kept;
    const rest = tokens.slice(known);
    const added = await this.#program.keysAndValues({
      context: rest,
      positions: rest.map((_, index) => known + index),
      ...(known > 0 ? { cache: kept } : {}),
    });
    this.#count(rest.length);
    const cache = known > 0 ? joinKeys(kept, added) : added;
    this.#last = { tokens, cache };
    return cache;
  }

  #canvasPass(cache: KeysAndValues, canvas: Int32Array, { position, from, to, causal = false }: CanvasRange) {
    this.#count(canvas.length);
    // The first token is the last one of the context, which attends to the context only.
    const isJoint = this.#config.attention === 'causal-context' && !causal;
    const order = isJoint ? { order: Array.from(canvas, (_, index) => Math.min(index, 1)) } : {};
    const positions = Array.from(canvas, (_, index) => position + index);
    const range = Array.from({ length: to - from }, (_, index) => from + index);
    return { pass: { canvas, positions, cache, ...order } satisfies InferencePass, rows: this.#rows(range) };
  }

  /**
   * The passes that compute the outputs at the positions of a text, with the outputs' rows and the indices of their positions.
   * With `prefix-lm` attention the context does not attend to the canvas, so it passes first.
   */
  async #textPasses({ tokens, canvas = 0, suffix = 0, positions }: Query): Promise<TextPass[]> {
    this.#count(tokens.length);
    const rows = this.#rows(positions);
    const all = [...tokens.keys()];
    const end = tokens.length - suffix;
    const outside = this.#config.attention === 'prefix-lm' ? [...all.slice(0, canvas), ...all.slice(end)] : [];
    if (outside.length === 0) {
      const pass = { canvas: tokens, positions: all, order: this.#order(tokens.length, canvas) };
      return [{ pass, rows, indices: [...rows.keys()] }];
    }
    const context = { positions: outside, canvas: outside.map((index) => tokens[index] as number) };
    const cache = await this.#program.keysAndValues({ positions: outside, context: context.canvas });
    const inside = { canvas: tokens.subarray(canvas, end), positions: all.slice(canvas, end), cache };
    const passes = [context, inside].map((pass) => {
      const indices = [...rows.keys()].filter((index) => pass.positions.includes(rows[index] as number));
      return { pass, indices, rows: indices.map((index) => pass.positions.indexOf(rows[index] as number)) };
    });
    return passes.filter((pass) => pass.rows.length > 0);
  }

  /** With `causal-context` attention, the tokens from index `canvas` on attend to each other. */
  #order(length: number, canvas = length): number[] {
    if (this.#config.attention === 'causal-context')
      return Array.from({ length }, (_, index) => Math.min(index, canvas));
    const block = this.#config.attention === 'block-causal' ? (this.#config.block_size as number) : 1;
    return Array.from({ length }, (_, index) => Math.floor(index / block));
  }

  /** The outputs that predict tokens: with shifted logits the output of the token before. */
  #rows(positions: readonly number[]): number[] {
    return this.#config.logit_shift ? positions.map((position) => Math.max(0, position - 1)) : [...positions];
  }

  #count(tokens: number): void {
    this.#work.forwards++;
    this.#work.tokens += tokens;
  }

  #owned(tokens: number, cache: KeysAndValues): Context {
    const present: HostTensor = { shape: [tokens], data: new Float32Array(tokens).fill(1) };
    return this.#contexts.own({ tokens, present, cache });
  }
}

/** The keys and values [1, groups, length, head_dim] of the first `count` tokens. */
function firstKeys(cache: KeysAndValues, count: number): KeysAndValues {
  return mapKeys(cache, ({ shape, data }) => {
    const [, groups, length, d] = shape;
    if (count === length) return { shape, data };
    const kept = new Float32Array(groups * count * d);
    for (let group = 0; group < groups; group++)
      kept.set(data.subarray(group * length * d, (group * length + count) * d), group * count * d);
    return { shape: [1, groups, count, d], data: kept };
  });
}

/** The keys and values of some tokens, followed by those of others. */
function joinKeys(first: KeysAndValues, second: KeysAndValues): KeysAndValues {
  return mapKeys(first, ({ shape: [, groups, before, d], data }, name) => {
    const added = second[name] as Keys;
    const after = added.shape[2];
    const length = before + after;
    const joined = new Float32Array(groups * length * d);
    for (let group = 0; group < groups; group++) {
      joined.set(data.subarray(group * before * d, (group + 1) * before * d), group * length * d);
      joined.set(added.data.subarray(group * after * d, (group + 1) * after * d), (group * length + before) * d);
    }
    return { shape: [1, groups, length, d], data: joined };
  });
}

interface Keys {
  readonly shape: readonly [batch: 1, groups: number, length: number, d: number];
  readonly data: Float32Array;
}

function mapKeys(cache: KeysAndValues, change: (keys: Keys, name: string) => HostTensor): KeysAndValues {
  return Object.fromEntries(Object.entries(cache).map(([name, keys]) => [name, change(keys as Keys, name)]));
}

import type { Context } from '../model/context.ts';
import type { ContextReader } from '../model/context-reader.ts';
import type { InferenceReader } from '../model/inference-reader.ts';
import { logitsPerPass } from '../model/language-model.ts';
import type { Prediction } from '../model/prediction.ts';
import { joinTokens, type Query } from '../model/query.ts';

/** The part of a model that decoding uses. */
export interface Denoiser {
  readonly config: {
    readonly mask_token_id?: number | undefined;
    readonly eos_token_id: number;
    readonly vocab_size: number;
    readonly attention?: string;
    readonly logit_shift?: boolean;
    readonly block_size?: number | undefined;
  };
  /** Logits at the requested positions of each row: one Float32Array [positions.length * vocab_size] per query, in order. */
  logits(queries: readonly Query[]): Promise<Float32Array[]>;
  /** Computes keys and values of a context; absent if the attention is `block-causal`. */
  readonly context?: Pick<ContextReader, 'read' | 'logits'>;
  /** Computes predictions on the device, so that logits are not copied to the host; absent: the model has only logits. */
  readonly inference?: Pick<InferenceReader, 'predictions' | 'textPredictions'> | undefined;
  /** Throws a `UserError` if a sequence of `length` tokens exceeds the model's maximum length. */
  checkLength?(length: number): void;
}

/** The context of a canvas, and the canvas's width. */
export interface CanvasContext {
  readonly prompt: ArrayLike<number>;
  /** Default: empty. */
  readonly suffix?: ArrayLike<number>;
  readonly width: number;
}

/**
 * A context that a session has opened, with the width of the canvas. Equal contexts with canvases of equal width share one
 * handle.
 */
export interface SessionContext {
  readonly prompt: Int32Array;
  readonly suffix: Int32Array;
  readonly width: number;
  /** Keys and values of prompt and suffix; null if they depend on the canvas. */
  readonly keysAndValues: Context | null;
  /** The last token of the prompt if it is computed with each canvas instead of with the context; otherwise empty. */
  readonly lead: Int32Array;
}

/** A request for the logits at some positions of a canvas. */
export interface CanvasQuery {
  readonly context: SessionContext;
  /** The canvas's tokens [width]. With `causal-context` attention or `causal`, these may be only the first of them. */
  readonly tokens: Int32Array;
  /** Positions in the canvas. */
  readonly positions: readonly number[];
  /** Whether a model with `causal-context` attention computes the canvas as an autoregressive model does; default: no. */
  readonly causal?: boolean;
}

/** The keys and values of a context that attends to one canvas, and the number of steps that have used them. */
interface KeptContext {
  readonly keysAndValues: Context;
  readonly steps: number;
}

/** Computes the rows from which tokens are chosen: logits or predictions. */
interface RowSource<Row> {
  /** The rows of whole texts, at the positions of each query. */
  texts(queries: readonly Query[]): Promise<Row[][]>;
  /** The rows of canvases of one context, in a range of positions. */
  canvases(context: Context, canvases: readonly Int32Array[], range: CanvasRange): Promise<Row[][]>;
}

type CanvasRange = Parameters<ContextReader['logits']>[2];

/** Logits are computed for ranges of positions whose bounds are multiples of this, so that few programs are compiled. */
const positionBucket = 16;

/**
 * Computes the logits of canvases, and owns the keys and values of their contexts. The model's weights must not change while a
 * session is open.
 *
 * With `prefix-lm`, `causal` or `causal-context` attention, the context does not attend to the canvas. It is read once, when it is
 * opened, and a step computes the canvas only. This is exact. With `causal-context`, the last token of the prompt is computed with
 * the canvas, because its output predicts the canvas's first token; it attends to the context only.
 *
 * With `full` or `block-causal` attention, every step reads the whole sequence. There is one exception: with `full` attention and
 * `refresh` above 1, the context's keys and values are computed every `refresh` steps, with the canvas as it is at that time, and
 * kept in between (the dual cache of Fast-dLLM, arXiv 2505.22618, section 3.2). This is an approximation. Dispose of the session to
 * release the keys and values.
 */
export class DecodingSession {
  readonly #model: Denoiser;
  readonly #bucket: number;
  readonly #readsContextOnce: boolean;
  /** Steps for which keys and values of a context that attends to the canvas are kept; 0: they are not kept. */
  readonly #refresh: number;
  /** By the tokens of the canvas to which the context attends. */
  readonly #keptContexts = new Map<Int32Array, KeptContext>();
  /** All open contexts, by their content and the width of the canvas. */
  readonly #contexts = new Map<string, SessionContext>();
  #disposed = false;

  /** `block` is the number of positions that most steps request together; `refresh` is explained at the class. */
  constructor(
    model: Denoiser,
    { block = positionBucket, refresh = 1 }: { readonly block?: number; readonly refresh?: number } = {},
  ) {
    this.#model = model;
    this.#bucket = Math.min(block, positionBucket);
    const { attention = 'full' } = model.config;
    this.#readsContextOnce = ['prefix-lm', 'causal', 'causal-context'].includes(attention);
    this.#refresh = model.config.attention === 'full' && model.context && refresh > 1 ? refresh : 0;
  }

  /**
   * Reads a context, or returns the handle of an equal one. Throws a `UserError` if the sequence exceeds the model's maximum
   * length.
   */
  async open({ prompt, suffix = [], width }: CanvasContext): Promise<SessionContext> {
    this.#assertUsable();
    this.#model.checkLength?.(prompt.length + width + suffix.length);
    const [before, after] = [Int32Array.from(prompt), Int32Array.from(suffix)];
    const key = `${width} ${before.length} ${before} ${after}`;
    const known = this.#contexts.get(key);
    if (known) return known;
    const lead = this.#leadOf(before, after);
    const read = before.slice(0, before.length - lead.length);
    const keysAndValues = this.#readsContextOnce ? await this.#read(read, after, width) : null;
    const context: SessionContext = { prompt: before, suffix: after, width, keysAndValues, lead };
    this.#contexts.set(key, context);
    return context;
  }

  /** Per query one row of logits [vocab_size] for each of its positions, in order. Rows may share memory. */
  async logits(queries: readonly CanvasQuery[]): Promise<Float32Array[][]> {
    return this.#answer(queries, {
      texts: async (texts) => (await this.#model.logits(texts)).map((flat) => this.#rowsOf(flat)),
      canvases: async (...request) => (await this.#contextReader.logits(...request)).map((flat) => this.#rowsOf(flat)),
    });
  }

  /** Whether `predictions` can be used: the model computes them in its program. */
  get predicts(): boolean {
    return this.#model.inference !== undefined;
  }

  /** Per query one prediction for each of its positions, in order. Much faster than `logits` if the vocabulary is large. */
  async predictions(queries: readonly CanvasQuery[]): Promise<Prediction[][]> {
    const { inference } = this.#model;
    if (!inference) throw new Error('this model computes no predictions in its program');
    return this.#answer(queries, {
      async texts(texts) {
        const predictions: Prediction[][] = [];
        for (const text of texts) predictions.push(await inference.textPredictions(text));
        return predictions;
      },
      canvases: (...request) => inference.predictions(...request),
    });
  }

  /** Computes the rows of all queries: per query one row for each of its positions. */
  async #answer<Row>(queries: readonly CanvasQuery[], source: RowSource<Row>): Promise<Row[][]> {
    this.#assertUsable();
    if (this.#refresh > 0) return this.#answerWithKeptContexts(queries, source);
    if (!this.#readsContextOnce) return source.texts(queries.map(wholeTextQuery));
    const results: Row[][] = new Array(queries.length);
    for (const rows of passGroups(queries)) {
      const { context } = queries[rows[0] as number] as CanvasQuery;
      const rowsPerPass = Math.max(1, Math.floor(logitsPerPass(this.#model.config) / context.width));
      for (let start = 0; start < rows.length; start += rowsPerPass) {
        const part = rows.slice(start, start + rowsPerPass);
        const canvases = part.map((row) => queries[row] as CanvasQuery);
        const answers = await this.#computePass(context, canvases, source);
        for (const [index, row] of part.entries()) results[row] = answers[index] as Row[];
      }
    }
    return results;
  }

  /** Releases all keys and values; the session cannot be used afterwards. Disposing twice does nothing. */
  dispose(): void {
    this.#disposed = true;
    for (const { keysAndValues } of this.#contexts.values()) keysAndValues?.dispose();
    this.#contexts.clear();
    for (const { keysAndValues } of this.#keptContexts.values()) keysAndValues.dispose();
    this.#keptContexts.clear();
  }

  /** The end of the prompt that is computed with each canvas. */
  #leadOf(prompt: Int32Array, suffix: Int32Array): Int32Array {
    if (this.#model.config.attention !== 'causal-context') return prompt.slice(0, 0);
    if (prompt.length === 0 || suffix.length > 0)
      throw new Error('with causal-context attention, all context comes before the canvas (suffixFirst)');
    return prompt.slice(-1);
  }

  get #contextReader(): Pick<ContextReader, 'read' | 'logits'> {
    return this.#model.context as Pick<ContextReader, 'read' | 'logits'>;
  }

  /** Each canvas has its own keys and values, because its context attends to it. */
  async #answerWithKeptContexts<Row>(queries: readonly CanvasQuery[], source: RowSource<Row>): Promise<Row[][]> {
    const results: Row[][] = [];
    for (const { context, tokens, positions } of queries) {
      // With shifted logits, the output at the prompt's last token predicts the first token of the canvas.
      const lead = this.#model.config.logit_shift ? context.prompt.slice(-1) : context.prompt.slice(0, 0);
      const prompt = context.prompt.slice(0, context.prompt.length - lead.length);
      const width = context.width + lead.length;
      const canvas = Int32Array.from([...lead, ...tokens]);
      const kept = this.#keptContexts.get(tokens);
      const isCurrent = kept !== undefined && kept.steps < this.#refresh;
      const keysAndValues = isCurrent ? kept.keysAndValues : await this.#read(prompt, context.suffix, width, canvas);
      if (!isCurrent) kept?.keysAndValues.dispose();
      this.#keptContexts.set(tokens, { keysAndValues, steps: isCurrent ? kept.steps + 1 : 1 });
      const shifted = { context, tokens: canvas, positions: positions.map((position) => position + lead.length) };
      results.push(...(await this.#computePass({ ...context, prompt, width, keysAndValues }, [shifted], source)));
    }
    return results;
  }

  async #read(prompt: Int32Array, suffix: Int32Array, width: number, canvas?: Int32Array): Promise<Context> {
    const after = prompt.length + width;
    const context = await this.#contextReader.read(
      {
        tokens: [...prompt, ...suffix],
        positions: [...prompt.keys(), ...Array.from(suffix, (_, index) => after + index)],
      },
      canvas && { tokens: [...canvas], positions: Array.from(canvas, (_, index) => prompt.length + index) },
    );
    // The session may have been disposed of while the context was read.
    if (this.#disposed) context.dispose();
    this.#assertUsable();
    return context;
  }

  /** The rows of canvases with the same context, number of tokens and attention. */
  async #computePass<Row>(
    { prompt, keysAndValues, lead }: SessionContext,
    queries: readonly CanvasQuery[],
    source: RowSource<Row>,
  ): Promise<Row[][]> {
    const [{ tokens: first, causal = false }] = queries as [CanvasQuery];
    const { from, to } = this.#range(queries, first.length);
    const canvases = queries.map(({ tokens }) => (lead.length > 0 ? Int32Array.from([...lead, ...tokens]) : tokens));
    const all = await source.canvases(keysAndValues as Context, canvases, {
      position: prompt.length - lead.length,
      from: from + lead.length,
      to: to + lead.length,
      ...(causal ? { causal } : {}),
    });
    return queries.map(({ positions }, row) => positions.map((position) => all[row]![position - from] as Row));
  }

  #rowsOf(logits: Float32Array): Float32Array[] {
    const vocabulary = this.#model.config.vocab_size;
    return Array.from({ length: logits.length / vocabulary }, (_, row) =>
      logits.subarray(row * vocabulary, (row + 1) * vocabulary),
    );
  }

  /**
   * The range of positions to compute: one block if it contains all requested positions, else bounds at multiples of
   * `positionBucket`.
   */
  #range(queries: readonly CanvasQuery[], width: number): { from: number; to: number } {
    const positions = queries.flatMap((query) => query.positions);
    const [first, last] = [Math.min(...positions), Math.max(...positions)];
    const bounds = (size: number) => ({
      from: Math.floor(first / size) * size,
      to: Math.min(width, (Math.floor(last / size) + 1) * size),
    });
    const block = bounds(this.#bucket);
    return block.to - block.from <= this.#bucket ? block : bounds(positionBucket);
  }

  #assertUsable(): void {
    if (this.#disposed) throw new Error('the decoding session was disposed of');
  }
}

/** A query for the logits of a canvas in its whole text: prompt, canvas and suffix. */
function wholeTextQuery({ context: { prompt, suffix }, tokens, positions }: CanvasQuery): Query {
  return {
    tokens: joinTokens(prompt, tokens, suffix),
    positions: positions.map((position) => prompt.length + position),
    canvas: prompt.length,
    suffix: suffix.length,
  };
}

/** The indices of the queries in groups; one pass can compute a group. */
function passGroups(queries: readonly CanvasQuery[]): number[][] {
  const groups: number[][] = [];
  for (const [row, { context, tokens, causal = false }] of queries.entries()) {
    const group = groups.find(([first]) => {
      const other = queries[first as number] as CanvasQuery;
      return other.context === context && other.tokens.length === tokens.length && (other.causal ?? false) === causal;
    });
    if (group) group.push(row);
    else groups.push([row]);
  }
  return groups;
}

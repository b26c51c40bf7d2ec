import type { Context, ContextReader } from '../model/context-reader.ts';
import { logitsPerPass } from '../model/language-model.ts';
import type { Query } from '../model/query.ts';

/** What decoding needs of a model. */
export interface Denoiser {
  readonly config: {
    readonly mask_token_id?: number | undefined;
    readonly eos_token_id: number;
    readonly vocab_size: number;
    readonly attention?: string;
    readonly block_size?: number | undefined;
  };
  /** Logits at the given places of each row: one Float32Array [places.length * vocab_size] per query, in order. */
  logits(queries: readonly Query[]): Promise<Float32Array[]>;
  /** Computes keys and values of a context; only for `prefix-lm` and `causal` attention. */
  readonly context?: Pick<ContextReader, 'read' | 'logits'>;
  /** Throws a `UserError` if a row of so many tokens is longer than the model's positions. */
  checkLength?(length: number): void;
}

/** A prompt and a suffix, and the number of positions between them. */
export interface CanvasContext {
  readonly prompt: ArrayLike<number>;
  /** Default: empty. */
  readonly suffix?: ArrayLike<number>;
  readonly width: number;
}

/** The handle of a text that a session predicts. Texts with equal context share one. */
export interface SessionText {
  readonly prompt: Int32Array;
  readonly suffix: Int32Array;
  readonly width: number;
  /** Keys and values of prompt and suffix; null if they depend on the canvas and cannot be kept. */
  readonly context: Context | null;
}

/** Positions of a canvas whose logits are asked for. */
export interface CanvasQuery {
  readonly text: SessionText;
  /** The canvas's tokens [width]. */
  readonly tokens: Int32Array;
  /** Positions in the canvas. */
  readonly positions: readonly number[];
}

/** Logits are computed for positions that begin and end at a multiple of this, so that few programs are compiled. */
const positionBucket = 16;

/**
 * Predicts canvases of one model while its weights stay as they are, and owns the keys and values of their contexts.
 *
 * Where the attention allows it (`prefix-lm`, whose context never sees the canvas, and `causal`), a context is read once,
 * when its text is opened, and a step costs the canvas alone. This is exact. With any other attention (`full`,
 * `block-causal`) the whole row is read in every step. Dispose of the session to release what it keeps.
 */
export class DecodingSession {
  readonly #model: Denoiser;
  readonly #bucket: number;
  readonly #cached: boolean;
  readonly #texts = new Map<string, SessionText>();
  #disposed = false;

  /** `block`: positions that are asked for together in most steps. */
  constructor(model: Denoiser, { block = positionBucket }: { readonly block?: number } = {}) {
    this.#model = model;
    this.#bucket = Math.min(block, positionBucket);
    this.#cached = model.config.attention === 'prefix-lm' || model.config.attention === 'causal';
  }

  /** Reads a context unless the session knows it. Throws a `UserError` if the text is longer than the model's positions. */
  async open({ prompt, suffix = [], width }: CanvasContext): Promise<SessionText> {
    this.#assertUsable();
    this.#model.checkLength?.(prompt.length + width + suffix.length);
    const [before, after] = [Int32Array.from(prompt), Int32Array.from(suffix)];
    const key = `${width} ${before.length} ${before} ${after}`;
    const known = this.#texts.get(key);
    if (known) return known;
    const context = this.#cached ? await this.#read(before, after, width) : null;
    const text: SessionText = { prompt: before, suffix: after, width, context };
    this.#texts.set(key, text);
    return text;
  }

  /** One Float32Array [positions.length * vocab_size] per query, in order. */
  async logits(queries: readonly CanvasQuery[]): Promise<Float32Array[]> {
    this.#assertUsable();
    if (!this.#cached) return this.#model.logits(queries.map(wholeRow));
    const results: Float32Array[] = new Array(queries.length);
    for (const [text, rows] of byText(queries)) {
      const rowsPerPass = Math.max(1, Math.floor(logitsPerPass(this.#model.config) / text.width));
      for (let start = 0; start < rows.length; start += rowsPerPass) {
        const own = rows.slice(start, start + rowsPerPass);
        const logits = await this.#pass(
          text,
          own.map((row) => queries[row] as CanvasQuery),
        );
        for (const [index, row] of own.entries()) results[row] = logits[index] as Float32Array;
      }
    }
    return results;
  }

  /** Releases all keys and values; the session cannot be used afterwards. Disposing twice does nothing. */
  dispose(): void {
    this.#disposed = true;
    for (const { context } of this.#texts.values()) context?.dispose();
    this.#texts.clear();
  }

  get #reader(): Pick<ContextReader, 'read' | 'logits'> {
    return this.#model.context as Pick<ContextReader, 'read' | 'logits'>;
  }

  async #read(prompt: Int32Array, suffix: Int32Array, width: number): Promise<Context> {
    const after = prompt.length + width;
    const context = await this.#reader.read({
      tokens: [...prompt, ...suffix],
      positions: [...prompt.keys(), ...Array.from(suffix, (_, index) => after + index)],
    });
    // The session may have been disposed of while the context was read.
    if (this.#disposed) context.dispose();
    this.#assertUsable();
    return context;
  }

  /** Canvases of one text. */
  async #pass({ prompt, context, width }: SessionText, queries: readonly CanvasQuery[]): Promise<Float32Array[]> {
    const { from, to } = this.#range(queries, width);
    const canvases = queries.map(({ tokens }) => tokens);
    const all = await this.#reader.logits(context as Context, canvases, { position: prompt.length, from, to });
    const vocabulary = this.#model.config.vocab_size;
    return queries.map(({ positions }, row) => {
      const computed = all[row] as Float32Array;
      const asked = new Float32Array(positions.length * vocabulary);
      for (const [index, position] of positions.entries()) {
        const at = (position - from) * vocabulary;
        asked.set(computed.subarray(at, at + vocabulary), index * vocabulary);
      }
      return asked;
    });
  }

  /** One block if it holds all positions, otherwise a multiple of `positionBucket`. */
  #range(queries: readonly CanvasQuery[], width: number): { from: number; to: number } {
    const positions = queries.flatMap((query) => query.positions);
    const [first, last] = [Math.min(...positions), Math.max(...positions)];
    const bounds = (size: number) => ({
      from: Math.floor(first / size) * size,
      to: Math.min(width, (Math.floor(last / size) + 1) * size),
    });
    const own = bounds(this.#bucket);
    return own.to - own.from <= this.#bucket ? own : bounds(positionBucket);
  }

  #assertUsable(): void {
    if (this.#disposed) throw new Error('the decoding session was disposed of');
  }
}

function wholeRow({ text: { prompt, suffix }, tokens, positions }: CanvasQuery): Query {
  const row = new Int32Array(prompt.length + tokens.length + suffix.length);
  row.set(prompt);
  row.set(tokens, prompt.length);
  row.set(suffix, prompt.length + tokens.length);
  return {
    tokens: row,
    places: positions.map((position) => prompt.length + position),
    canvas: prompt.length,
    suffix: suffix.length,
  };
}

function byText(queries: readonly CanvasQuery[]): Map<SessionText, number[]> {
  const rows = new Map<SessionText, number[]>();
  for (const [row, { text }] of queries.entries()) {
    const own = rows.get(text) ?? [];
    own.push(row);
    rows.set(text, own);
  }
  return rows;
}

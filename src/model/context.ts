import type { HostTensor } from '../graph/tensor.ts';

/** The keys and values of a context, which a canvas attends to in every layer. The caller disposes of it. */
export interface Context {
  /** The number of tokens in the context. */
  readonly tokens: number;
  /** Keys and values by the name of their program input, each [groups, capacity, head_dim]; empty after `dispose`. */
  readonly cache: Readonly<Record<string, HostTensor>>;
  /** 1 for keys of tokens, 0 for padding [capacity]. */
  readonly present: HostTensor;
  /** Releases the keys and values. Later calls do nothing. */
  dispose(): void;
}

/** Counts the contexts that were read and not disposed of. */
export class OpenContexts {
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** A context that holds these keys and values until its caller disposes of it. */
  own(read: Omit<Context, 'dispose'>): Context {
    this.#count++;
    let cache = read.cache;
    let disposed = false;
    const dispose = () => {
      if (disposed) return;
      disposed = true;
      cache = {};
      this.#count--;
    };
    return {
      ...read,
      get cache() {
        return cache;
      },
      dispose,
    };
  }
}

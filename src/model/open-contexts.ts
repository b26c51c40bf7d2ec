import type { Context } from './context-reader.ts';

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

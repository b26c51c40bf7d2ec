import type { Program } from '../graph/program.ts';
import type { Engine, Executable } from './engine.ts';

/** Enough for the shape buckets of one model. Each compiled program holds memory for its activations. */
const capacity = 48;

/** Compiled programs by key. The least recently used one is evicted. */
export class ProgramCache {
  readonly #engine: Engine;
  readonly #compiled = new Map<string, Promise<Executable>>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The program of a key, defined and compiled on first use. */
  async get(key: string, define: () => Program): Promise<Executable> {
    const executable = this.#compiled.get(key) ?? this.#compile(key, define());
    // A map keeps the order of insertion: move the program to the end.
    this.#compiled.delete(key);
    this.#compiled.set(key, executable);
    if (this.#compiled.size > capacity) await this.#evict(this.#compiled.keys().next().value as string);
    return executable;
  }

  async dispose(): Promise<void> {
    for (const key of [...this.#compiled.keys()]) await this.#evict(key);
  }

  /** Failures are not cached, because memory may be available later. */
  #compile(key: string, program: Program): Promise<Executable> {
    const executable = this.#engine.compile(program);
    executable.catch(() => {
      if (this.#compiled.get(key) === executable) this.#compiled.delete(key);
    });
    return executable;
  }

  async #evict(key: string): Promise<void> {
    const executable = this.#compiled.get(key);
    this.#compiled.delete(key);
    // A program that failed to compile has nothing to free; its caller got the error.
    await (await executable?.catch(() => undefined))?.dispose();
  }
}

import type { Program } from '../graph/program.ts';
import type { Engine, Executable } from './engine.ts';

/** Enough for the shape buckets of one model's work; each compiled program holds memory for its activations. */
const capacity = 48;

/** Compiled programs by key; the one that was not used for longest makes room for a new one. */
export class ProgramCache {
  readonly #engine: Engine;
  readonly #compiled = new Map<string, Promise<Executable>>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The program of a key, defined and compiled when it is asked for first. */
  async get(key: string, define: () => Program): Promise<Executable> {
    const executable = this.#compiled.get(key) ?? this.#compile(key, define());
    // A map keeps the order of insertion: what is used goes to its end.
    this.#compiled.delete(key);
    this.#compiled.set(key, executable);
    if (this.#compiled.size > capacity) await this.#evict(this.#compiled.keys().next().value as string);
    return executable;
  }

  async dispose(): Promise<void> {
    for (const key of [...this.#compiled.keys()]) await this.#evict(key);
  }

  /** What fails is not kept: it may have been for want of memory that is free another time. */
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
    // Who asked for one that failed was told; there is nothing of it to free.
    await (await executable?.catch(() => undefined))?.dispose();
  }
}

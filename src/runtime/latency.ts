import type { Latency } from '../protocol/runtime.ts';

/** Percentiles of the durations, in milliseconds, of the last requests that ran the model. */
export class LatencyMeter {
  readonly #capacity: number;
  readonly #last: number[] = [];

  constructor(capacity = 200) {
    this.#capacity = capacity;
  }

  add(milliseconds: number): void {
    this.#last.push(milliseconds);
    if (this.#last.length > this.#capacity) this.#last.shift();
  }

  /** Forgets all durations, because another model answers from now on. */
  clear(): void {
    this.#last.length = 0;
  }

  get summary(): Latency {
    const sorted = [...this.#last].sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
    return { requests: sorted.length, p50: at(0.5), p95: at(0.95) };
  }
}

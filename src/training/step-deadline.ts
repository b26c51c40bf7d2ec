import { Interrupted } from '../platform/errors.ts';

/** Longest delay of a timer in milliseconds; only `look` detects a later deadline. */
const longestDelay = 2 ** 31 - 1;

/** Aborts the current training step when the time limit of its run has passed. */
export class StepDeadline {
  readonly #outer: AbortSignal;
  readonly #limit = new AbortController();
  readonly #end: number;
  readonly #timer: NodeJS.Timeout;
  /** Aborted by the time limit, or by `outer`. */
  readonly signal: AbortSignal;

  /** @param seconds left for training; null: no limit */
  constructor(outer: AbortSignal, seconds: number | null) {
    this.#outer = outer;
    this.#end = seconds === null ? Number.POSITIVE_INFINITY : performance.now() + 1000 * seconds;
    this.#timer = setTimeout(() => this.look(), Math.min(longestDelay, 1000 * (seconds ?? Number.POSITIVE_INFINITY)));
    this.signal = AbortSignal.any([outer, this.#limit.signal]);
  }

  /** Checks the clock. Needed by work that calls engines in a loop, because timers do not fire in time between two calls. */
  look(): void {
    if (performance.now() >= this.#end) this.#limit.abort(new Interrupted('The time limit is over.'));
  }

  /** Whether the time limit, and not `outer`, ended the step. */
  get hasPassed(): boolean {
    return this.#limit.signal.aborted && !this.#outer.aborted;
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

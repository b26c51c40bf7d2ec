import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../platform/errors.ts';
import { HubError } from './hub-error.ts';

/** Failures in a row after which one gives up. */
const most = 5;
/** Milliseconds that are waited at most, whoever asks for them. */
const longest = 60_000;

/** Waits between two attempts, twice as long each time, or as long as the hub asks for; a success begins anew. */
export class Backoff {
  readonly #first: number;
  readonly #signal: AbortSignal;
  #failures = 0;

  /** @param first milliseconds before the first repetition */
  constructor(first: number, signal: AbortSignal) {
    this.#first = first;
    this.#signal = signal;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Returns when it is time for the next attempt; throws `error` after the last one. */
  async wait(error: unknown): Promise<void> {
    if (++this.#failures >= most || this.#signal.aborted) throw error;
    const asked = error instanceof HubError ? error.retryAfter : null;
    if (asked !== null && asked > longest)
      throw new UserError(
        `The hub asks to wait for ${Math.ceil(asked / 1000)} s before the next request; try again then, what is there is kept.`,
      );
    await delay(Math.min(longest, asked ?? this.#first * 2 ** (this.#failures - 1)), undefined, {
      signal: this.#signal,
    });
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../platform/errors.ts';
import { HubError } from './hub-error.ts';

/** Attempts in a row that may fail. */
const most = 5;
/** The longest wait in milliseconds, also if the hub asks for more. */
const longest = 60_000;

/** Waits between attempts: twice as long after each failure, or as long as the hub asks for. A success resets the wait. */
export class Backoff {
  readonly #first: number;
  readonly #signal: AbortSignal;
  #failures = 0;

  /** @param first milliseconds before the second attempt */
  constructor(first: number, signal: AbortSignal) {
    this.#first = first;
    this.#signal = signal;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Waits until the next attempt; throws `error` after the last attempt. */
  async wait(error: unknown): Promise<void> {
    if (++this.#failures >= most || this.#signal.aborted) throw error;
    const retryAfter = error instanceof HubError ? error.retryAfter : null;
    if (retryAfter !== null && retryAfter > longest)
      throw new UserError(
        `The hub asks to wait for ${Math.ceil(retryAfter / 1000)} s; try again after that. The downloaded part is kept.`,
      );
    await delay(Math.min(longest, retryAfter ?? this.#first * 2 ** (this.#failures - 1)), undefined, {
      signal: this.#signal,
    });
  }
}

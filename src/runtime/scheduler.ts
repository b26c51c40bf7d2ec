import { setImmediate } from 'node:timers/promises';

/** The request was cancelled, or a newer one replaced it. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled';
}

/** Requests with a lower number are served first. `context`: the text at the cursor is read before a suggestion is requested. */
export const priorities = { invoked: 0, automatic: 1, prefetch: 2, context: 3 } as const;
export type Priority = keyof typeof priorities;

/** After this many turns of the event loop without a message, no message is waiting. */
const quietTurns = 3;
/** After this many turns of the event loop, a task continues even if messages keep arriving. */
const mostTurns = 1_000;

interface Waiting {
  readonly priority: Priority;
  readonly begin: () => void;
}

/**
 * Decides which task may compute: one at a time, because an engine runs one program at a time and blocks its thread meanwhile.
 * Between two denoising steps a task calls `yieldToEventLoop`, which lets the event loop read messages and stops the task if it
 * was cancelled, or if the user did not request it and a request that is as urgent or more urgent is waiting.
 */
export class Scheduler {
  #busy = false;
  readonly #waiting: Waiting[] = [];
  #messages = 0;

  /** Notes that a message of the client was handled. */
  messageArrived(): void {
    this.#messages++;
  }

  /**
   * Lets the event loop handle all messages that have arrived, so that a cancellation or a newer request takes effect before
   * more is computed. The connection handles one message per turn of the event loop: with a single turn between two denoising
   * steps, messages that arrive faster than steps are made would pile up.
   *
   * @throws Cancelled as soon as `signal` is aborted
   */
  async readMessages(signal: AbortSignal): Promise<void> {
    for (let [turn, quiet] = [0, 0]; turn < mostTurns && quiet < quietTurns; turn++) {
      const before = this.#messages;
      await setImmediate();
      if (signal.aborted) throw new Cancelled('cancelled');
      quiet = this.#messages === before ? quiet + 1 : 0;
    }
  }

  /** Runs a task when its turn comes. Throws `Cancelled` if `signal` is aborted before that or when the task yields. */
  async run<T>(
    priority: Priority,
    signal: AbortSignal,
    task: (yieldToEventLoop: () => Promise<void>) => Promise<T>,
  ): Promise<T> {
    await this.#turn(priority, signal);
    const yieldToEventLoop = async () => {
      await this.readMessages(signal);
      const rank = priorities[priority];
      if (rank >= priorities.prefetch && this.#waiting.some((other) => priorities[other.priority] <= rank))
        throw new Cancelled('a request that is as urgent arrived');
    };
    try {
      await yieldToEventLoop();
      return await task(yieldToEventLoop);
    } finally {
      this.#busy = false;
      this.#next();
    }
  }

  /** Waits for a turn. A cancelled task leaves the queue at once. */
  #turn(priority: Priority, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(new Cancelled('cancelled'));
      };
      const waiting: Waiting = {
        priority,
        begin: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      if (signal.aborted) return reject(new Cancelled('cancelled'));
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.push(waiting);
      this.#next();
    });
  }

  #next(): void {
    if (this.#busy || this.#waiting.length === 0) return;
    const urgent = this.#waiting.reduce((best, one) =>
      priorities[one.priority] < priorities[best.priority] ? one : best,
    );
    this.#waiting.splice(this.#waiting.indexOf(urgent), 1);
    this.#busy = true;
    urgent.begin();
  }
}

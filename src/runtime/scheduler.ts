import { setImmediate } from 'node:timers/promises';

/** The request was cancelled, or a newer one replaced it. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled';
}

/** Lower comes first. */
export const priorities = { invoked: 0, automatic: 1, prefetch: 2 } as const;
export type Priority = keyof typeof priorities;

interface Waiting {
  readonly priority: Priority;
  readonly begin: () => void;
}

/**
 * Who may compute: one task at a time, for an engine runs one program at a time and blocks its thread meanwhile. Between
 * two denoising steps a task calls `yieldToEventLoop`, which lets the event loop read messages and stops the task where it was
 * cancelled, or where something more urgent waits and it is only a prefetch.
 */
export class Scheduler {
  #busy = false;
  readonly #waiting: Waiting[] = [];

  /** Runs a task when its turn comes. Throws `Cancelled` as soon as `signal` is aborted and the task yields. */
  async run<T>(
    priority: Priority,
    signal: AbortSignal,
    task: (yieldToEventLoop: () => Promise<void>) => Promise<T>,
  ): Promise<T> {
    await this.#turn(priority);
    const yieldToEventLoop = async () => {
      await setImmediate();
      if (signal.aborted) throw new Cancelled('cancelled');
      if (priority === 'prefetch' && this.#waiting.length > 0) throw new Cancelled('something more urgent came');
    };
    try {
      await yieldToEventLoop();
      return await task(yieldToEventLoop);
    } finally {
      this.#busy = false;
      this.#next();
    }
  }

  #turn(priority: Priority): Promise<void> {
    return new Promise((begin) => {
      this.#waiting.push({ priority, begin });
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

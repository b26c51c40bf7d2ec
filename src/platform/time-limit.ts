import { createContext, Script } from 'node:vm';

const call = new Script('work()');

/** Thrown by `withinTime`. */
export class TooSlow extends Error {}

/** Attempts of work that hardly got any processor time. */
const mostAttempts = 6;

/**
 * Runs synchronous JavaScript and ends it after some time, also in the middle of a regular expression or an endless loop: V8's
 * watchdog covers everything that a script calls. Not for native code, which it cannot end. The watchdog counts time that passes. If the
 * process computed for less than half of it, because the machine is busy, the work starts again, so it must have no effects.
 *
 * @throws TooSlow if the work took longer; the error of the work if it failed
 */
export function withinTime<Result>(milliseconds: number, work: () => Result): Result {
  for (let attempt = 1; ; attempt++) {
    const before = process.cpuUsage();
    try {
      return call.runInContext(createContext({ work }), { timeout: milliseconds }) as Result;
    } catch (error) {
      if ((error as NodeJS.ErrnoException | null)?.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
      const { user, system } = process.cpuUsage(before);
      const wasStarved = (user + system) / 1000 < milliseconds / 2;
      if (!wasStarved || attempt === mostAttempts) throw new TooSlow(`It took longer than ${milliseconds} ms.`);
    }
  }
}

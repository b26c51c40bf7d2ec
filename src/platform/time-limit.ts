import { createContext, Script } from 'node:vm';

const call = new Script('work()');

/** Thrown by `withinTime`. */
export class TooSlow extends Error {}

/**
 * Runs synchronous JavaScript and ends it after some time, also in the middle of a regular expression or an endless loop: V8's
 * watchdog covers everything that a script calls. Not for native code, which it cannot end.
 *
 * @throws TooSlow if the work took longer; the error of the work if it failed
 */
export function withinTime<Result>(milliseconds: number, work: () => Result): Result {
  try {
    return call.runInContext(createContext({ work }), { timeout: milliseconds }) as Result;
  } catch (error) {
    if ((error as NodeJS.ErrnoException | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new TooSlow(`It took longer than ${milliseconds} ms.`);
    throw error;
  }
}

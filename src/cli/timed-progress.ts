import type { CommandContext } from './command.ts';
import { duration } from './training-progress.ts';

const secondsBetween = 5;

/**
 * Reports work on many pieces of equal size: at the start, then at most every five seconds, with an estimate of the time left.
 *
 * @param what the work and its unit, for example `model and copies: gap`
 * @param clock milliseconds that never go back
 * @returns a function to call before each piece with the number of finished ones
 */
export function timedProgress(
  what: string,
  total: number,
  progress: CommandContext['progress'],
  clock: () => number = () => performance.now(),
): (done: number) => void {
  const begin = clock();
  let last = Number.NEGATIVE_INFINITY;
  return (done) => {
    const now = clock();
    if (now - last < 1000 * secondsBetween) return;
    last = now;
    const left = done === 0 ? '' : `, about ${duration(((now - begin) / 1000 / done) * (total - done))} left`;
    progress(`${what} ${done} of ${total}${left}`);
  };
}

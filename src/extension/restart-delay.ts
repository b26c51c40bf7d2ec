/** Milliseconds; exits that are longer ago are ignored. */
const recentWindow = 3 * 60_000;
const delays = [1000, 2000, 4000, 8000, 16_000] as const;

/**
 * Milliseconds until a process that exited is restarted, longer each time; null if it exited so often within a few
 * minutes that another restart would not help. `exits` holds the times of the exits, milliseconds since 1970.
 */
export function nextDelay(exits: readonly number[], now: number): number | null {
  const recent = exits.filter((exit) => now - exit < recentWindow).length;
  return delays[recent - 1] ?? null;
}

/** Ends that are longer ago say nothing about now. */
const memory = 3 * 60_000;
const delays = [1000, 2000, 4000, 8000, 16_000] as const;

/**
 * Milliseconds until a process that ended is started anew, longer each time; null where it ended so often within a few
 * minutes that it would again. `ends` are the times at which it ended by itself, milliseconds since 1970.
 */
export function nextDelay(ends: readonly number[], now: number): number | null {
  const recent = ends.filter((end) => now - end < memory).length;
  return delays[recent - 1] ?? null;
}

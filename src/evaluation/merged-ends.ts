/** Logits in which the first of `ends` is as likely as all of them together, and the others are impossible. */
export function asOneEnd(logits: Float32Array, ends: readonly [number, ...number[]]): Float32Array {
  const merged = logits.slice();
  const peak = ends.reduce((most, id) => Math.max(most, logits[id] as number), Number.NEGATIVE_INFINITY);
  const sum = ends.reduce((total, id) => total + Math.exp((logits[id] as number) - peak), 0);
  for (const id of ends) merged[id] = Number.NEGATIVE_INFINITY;
  merged[ends[0]] = peak + Math.log(sum);
  return merged;
}

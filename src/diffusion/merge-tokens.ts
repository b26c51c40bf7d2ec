/** Logits in which the first of `ids` has the summed probability of all of them, and the others have the probability 0. */
export function mergeTokens(logits: Float32Array, ids: readonly [number, ...number[]]): Float32Array {
  const merged = logits.slice();
  for (const id of ids) merged[id] = Number.NEGATIVE_INFINITY;
  const peak = ids.reduce((most, id) => Math.max(most, logits[id] as number), Number.NEGATIVE_INFINITY);
  if (peak === Number.NEGATIVE_INFINITY) return merged;
  const sum = ids.reduce((total, id) => total + Math.exp((logits[id] as number) - peak), 0);
  merged[ids[0]] = peak + Math.log(sum);
  return merged;
}

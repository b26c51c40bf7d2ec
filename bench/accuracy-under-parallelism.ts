/** A way to decode: tokens per forward pass, and the accuracy in percent. */
export interface ParallelismPoint {
  readonly tokensPerForward: number;
  readonly accuracy: number;
}

/** Points whose accuracy is this many percentage points below that of the least parallel one do not count. */
const tolerated = 5;
/** How fast the weight of a point falls with the relative distance of its accuracy from the best. */
const decay = 3;

/**
 * Accuracy under parallelism (AUP; d3LLM, arXiv 2601.07568): the area under the accuracy over tokens per forward pass, in which points
 * below the best accuracy weigh less. The part up to the least parallel point is a rectangle without a weight. `best` is the best
 * accuracy of all methods that are compared, in percent. 0 if there are no points.
 */
export function accuracyUnderParallelism(points: readonly ParallelismPoint[], best: number): number {
  const sorted = points.toSorted((a, b) => a.tokensPerForward - b.tokensPerForward || b.accuracy - a.accuracy);
  const [first] = sorted;
  if (!first) return 0;
  const counted = sorted.filter(({ accuracy }) => accuracy >= first.accuracy - tolerated);
  const weighted = ({ accuracy }: ParallelismPoint): number =>
    accuracy * Math.min(Math.exp(-decay * (1 - accuracy / best)), 1);
  let area = first.tokensPerForward * first.accuracy;
  for (const [index, point] of counted.entries()) {
    const before = counted[index - 1];
    if (!before) continue;
    area += ((point.tokensPerForward - before.tokensPerForward) / 2) * (weighted(point) + weighted(before));
  }
  return area;
}

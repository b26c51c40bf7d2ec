/**
 * Splits entries into micro-batches of equal size, so that one compiled program is enough. The last micro-batch is padded with
 * entries that `idle` makes; they must have no weight. `own` are the entries of a micro-batch, `full` also contains its padding.
 */
export function microBatches<T>(
  entries: readonly T[],
  size: number,
  idle: (like: T) => T,
): { readonly own: readonly T[]; readonly full: readonly T[] }[] {
  return Array.from({ length: Math.ceil(entries.length / size) }, (_, part) => {
    const own = entries.slice(part * size, (part + 1) * size);
    return { own, full: [...own, ...Array.from({ length: size - own.length }, () => idle(own[0] as T))] };
  });
}

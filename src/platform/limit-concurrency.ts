/**
 * Works on items with at most `most` at a time; the results are in the items' order. After the first error no further item
 * is started, and the call rejects with it once the started ones have ended, so that nothing is still running then.
 * `onProgress` is called after each item.
 */
export async function limitConcurrency<Item, Result>(
  items: readonly Item[],
  most: number,
  work: (item: Item, index: number) => Promise<Result>,
  onProgress?: (done: number, total: number) => void,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  let done = 0;
  const errors: unknown[] = [];
  const worker = async () => {
    while (next < items.length && errors.length === 0) {
      const index = next++;
      try {
        results[index] = await work(items[index] as Item, index);
        onProgress?.(++done, items.length);
      } catch (error) {
        errors.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
  if (errors.length > 0) throw errors[0];
  return results;
}

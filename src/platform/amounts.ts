/** A count with its noun: "1 step", "2 steps". Pass the plural if it does not end in `s` alone. */
export const count = (number: number, singular: string, plural = `${singular}s`): string =>
  `${number} ${number === 1 ? singular : plural}`;

/** Seconds for people: "5 min", "1 h 20 min". */
export function duration(seconds: number): string {
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Bytes for people: "16 MB". Powers of a thousand, as file managers count. */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 9.95 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** Bytes of memory for people: "2.1 GiB", "37 MiB". Powers of 1024, as memory is sold. */
export const memorySize = (bytes: number): string =>
  bytes < 2 ** 30 ? `${Math.ceil(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** Whether a model fits into this machine's memory, in words: "needs about 2.1 GiB, has 23.5 GiB". */
export function fitText({ needed, available }: { readonly needed: number | null; readonly available: number }): string {
  if (needed === null) return `of unknown size, has ${memorySize(available)}`;
  return `${needed > available ? 'too large: ' : ''}needs about ${memorySize(needed)}, has ${memorySize(available)}`;
}

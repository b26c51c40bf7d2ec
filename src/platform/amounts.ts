/** A count with its noun: "1 step", "2 steps". Pass the plural if it does not end in `s` alone. */
export const count = (number: number, singular: string, plural = `${singular}s`): string =>
  `${number} ${number === 1 ? singular : plural}`;

/** Seconds for people: "5 min", "1 h 20 min". */
export function duration(seconds: number): string {
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Formats bytes in powers of 1000, as file managers do: "16 MB". */
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

/** Formats bytes of memory in powers of 1024: "2.1 GiB", "37 MiB". */
export const memorySize = (bytes: number): string =>
  bytes < 2 ** 30 ? `${Math.ceil(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** Whether a model fits into memory, for display: "needs about 2.1 GiB (23.5 GiB available)" */
export function fitText({ needed, available }: { readonly needed: number | null; readonly available: number }): string {
  if (needed === null) return `memory need unknown (${memorySize(available)} available)`;
  return `${needed > available ? 'too large: ' : ''}needs about ${memorySize(needed)} (${memorySize(available)} available)`;
}

/** The time of a suggestion, for display: "about 90 ms per suggestion here", "about 1.2 s per suggestion here". */
export function suggestionTimeText(milliseconds: number): string {
  const time =
    milliseconds < 995
      ? `${Number(milliseconds.toPrecision(milliseconds < 100 ? 1 : 2))} ms`
      : `${(milliseconds / 1000).toFixed(milliseconds < 9950 ? 1 : 0)} s`;
  return `about ${time} per suggestion here`;
}

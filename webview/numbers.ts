const general = new Intl.NumberFormat('en', { maximumSignificantDigits: 4 });
const scientific = new Intl.NumberFormat('en', { notation: 'scientific', maximumSignificantDigits: 3 });

/** A count with its noun: "1 step", "2 steps". Pass the plural if it does not end in `s` alone. */
export const count = (number: number, singular: string, plural = `${singular}s`): string =>
  `${number} ${number === 1 ? singular : plural}`;

/** Formats a measurement with four digits, in scientific notation if it is tiny or huge. */
export function number(value: number): string {
  const size = Math.abs(value);
  return value !== 0 && (size < 1e-3 || size >= 1e9)
    ? scientific.format(value).replace('E', 'e')
    : general.format(value);
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)}\u202f%`;

/** Formats a difference of proportions in percentage points, with its sign. */
export function points(share: number): string {
  const text = (100 * share).toFixed(1);
  if (Number(text) === 0) return '0.0';
  return share > 0 ? `+${text}` : `\u2212${text.slice(1)}`;
}

/** Formats a size on disk. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, count)) / 3)));
  const size = count / 1000 ** unit;
  return `${size.toFixed(unit === 0 || size >= 100 ? 0 : 1)}\u202f${units[unit]}`;
}

/** Formats seconds in the two largest units. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (hours > 0) return `${hours}\u202fh ${minutes}\u202fmin`;
  return minutes > 0 ? `${minutes}\u202fmin ${whole % 60}\u202fs` : `${whole}\u202fs`;
}

/** The label of a metric: `cell_accuracy` becomes "cell accuracy". */
export const label = (name: string): string => name.replaceAll('_', ' ');

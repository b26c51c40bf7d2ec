const general = new Intl.NumberFormat('en', { maximumSignificantDigits: 4 });
const scientific = new Intl.NumberFormat('en', { notation: 'scientific', maximumSignificantDigits: 3 });

/** A measurement as a reader wants it: four digits, and powers of ten where it is tiny. */
export function number(value: number): string {
  const size = Math.abs(value);
  return value !== 0 && (size < 1e-3 || size >= 1e9)
    ? scientific.format(value).replace('E', 'e')
    : general.format(value);
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)}\u202f%`;

/** A difference of shares in points, with its sign. */
export function points(share: number): string {
  const text = (100 * share).toFixed(1);
  if (Number(text) === 0) return '0.0';
  return share > 0 ? `+${text}` : `\u2212${text.slice(1)}`;
}

/** A size on the disk. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, count)) / 3)));
  const size = count / 1000 ** unit;
  return `${size.toFixed(unit === 0 || size >= 100 ? 0 : 1)}\u202f${units[unit]}`;
}

/** Seconds in the two largest units that say something. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (hours > 0) return `${hours}\u202fh ${minutes}\u202fmin`;
  return minutes > 0 ? `${minutes}\u202fmin ${whole % 60}\u202fs` : `${whole}\u202fs`;
}

/** `cell_accuracy` as a reader would write it. */
export const label = (name: string): string => name.replaceAll('_', ' ');

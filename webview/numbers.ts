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

/** `cell_accuracy` as a reader would write it. */
export const label = (name: string): string => name.replaceAll('_', ' ');

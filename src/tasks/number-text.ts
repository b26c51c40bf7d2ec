// A minus behind a digit or a bracket is an operator, and not the number's own.
const number = String.raw`(?:(?<![\d)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?:(?<![\d)])-)?\.\d+`;

/** The number that a text is: digits, thousands separators, a currency sign, a percent sign or a fraction. Null if none. */
export function asNumber(text: string): number | null {
  const bare = text
    .replace(/\\[dt]?frac\{(-?\d+)\}\{(-?\d+)\}/g, '$1/$2')
    .replaceAll('{,}', ',')
    .replaceAll('−', '-')
    .replace(/\\?[$€£%]|\\[!,;]/g, '')
    .trim()
    .replace(/\.$/, '');
  const fraction = /^(-?\d+)\/(-?\d+)$/.exec(bare);
  if (fraction) return Number(fraction[2]) === 0 ? null : Number(fraction[1]) / Number(fraction[2]);
  return new RegExp(`^(?:${number})$`).test(bare) ? Number(bare.replaceAll(',', '')) : null;
}

/** The number that a short text states: itself, else the last one behind its last equals sign. Null if there is none. */
export function statedNumber(text: string): number | null {
  const right = text.slice(text.lastIndexOf('=') + 1);
  const whole = asNumber(right);
  if (whole !== null) return whole;
  const last = right.match(new RegExp(number, 'g'))?.at(-1);
  return last === undefined ? null : Number(last.replaceAll(',', ''));
}

// A minus after a digit or a bracket is an operator, not the sign of a number.
const number = String.raw`(?:(?<![\d)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?:(?<![\d)])-)?\.\d+`;

/** The number that a text consists of, with thousands separators, a currency or percent sign, or as a fraction; null otherwise. */
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

/** The number that a short text states: the text itself, otherwise the last number after its last equals sign; null if none. */
export function statedNumber(text: string): number | null {
  const right = text.slice(text.lastIndexOf('=') + 1);
  const whole = asNumber(right);
  if (whole !== null) return whole;
  const last = right.match(new RegExp(number, 'g'))?.at(-1);
  return last === undefined ? null : Number(last.replaceAll(',', ''));
}

/** Spaces that may separate thousands: plain, no-break, thin and narrow no-break. */
const space = '[ \\u00a0\\u2009\\u202f]';

const integer = [
  String.raw`\d{1,3}(?:,\d{3})+`,
  // Indian grouping: 1,00,000.
  String.raw`\d{1,2}(?:,\d{2})+,\d{3}`,
  `\\d{1,3}(?:${space}\\d{3})+`,
  String.raw`\d{1,3}(?:['’]\d{3})+`,
  String.raw`\d{1,3}(?:_\d{3})+`,
  String.raw`\d+`,
].join('|');

/** One number: thousands separators, decimals, a power of ten. A lone `70.000` is 70; `1.234,5` and `1.234.567` are European. */
const plainNumber = new RegExp(`^[+-]?(?:(?:${integer})(?:\\.\\d*)?|\\.\\d+)(?:[eE][+-]?\\d+)?$`);
const europeanNumber = /^[+-]?\d{1,3}(?:(?:\.\d{3})+,\d+|(?:\.\d{3}){2,})$/;
const powerOfTen = /^(?:([+-]?\d+(?:\.\d+)?)\s*(?:[*×·xX]|\\times|\\cdot)\s*)?10\^(?:\{([+-]?\d+)\}|([+-]?\d+))$/;
const fraction = new RegExp(`^([+-]?)(?:(\\d+)${space}+)?(\\d+(?:\\.\\d+)?)/([+-]?\\d+(?:\\.\\d+)?)$`);

const vulgarFractions: Readonly<Record<string, string>> = {
  '½': '1/2',
  '⅓': '1/3',
  '⅔': '2/3',
  '¼': '1/4',
  '¾': '3/4',
  '⅕': '1/5',
  '⅖': '2/5',
  '⅗': '3/5',
  '⅘': '4/5',
  '⅙': '1/6',
  '⅚': '5/6',
  '⅛': '1/8',
  '⅜': '3/8',
  '⅝': '5/8',
  '⅞': '7/8',
};

/** Words after a number that multiply it. */
const multiples: Readonly<Record<string, number>> = {
  dozen: 12,
  hundred: 100,
  thousand: 1e3,
  million: 1e6,
  billion: 1e9,
  trillion: 1e12,
};

const multipleWords = Object.keys(multiples).join('|');

/**
 * The number that a text consists of; null otherwise. Reads thousands separators, a currency or percent sign, fractions
 * (`1/2`, `\frac12`, `½`), mixed numbers (`2 1/2`) and scientific notation (`1e3`, `10^3`).
 */
export function asNumber(text: string): number | null {
  if (text.length > longest) return null;
  const bare = plainText(text)
    .trim()
    .replace(/(?<=\d)\.$/, '');
  const multiple = new RegExp(`^(.*\\d)\\s*(${multipleWords})s?$`, 'i').exec(bare);
  if (multiple) {
    const value = oneNumber(multiple[1] as string);
    return value === null ? null : value * (multiples[(multiple[2] as string).toLowerCase()] as number);
  }
  return oneNumber(bare);
}

function oneNumber(bare: string): number | null {
  if (plainNumber.test(bare)) return finite(Number(bare.replace(/[^\d.eE+-]/g, '')));
  if (europeanNumber.test(bare)) return Number(bare.replaceAll('.', '').replace(',', '.'));
  const power = powerOfTen.exec(bare);
  if (power) return finite(Number(power[1] ?? 1) * 10 ** Number(power[2] ?? power[3]));
  const parts = fraction.exec(bare);
  if (!parts || Number(parts[4]) === 0) return null;
  const value = Number(parts[2] ?? 0) + Number(parts[3]) / Number(parts[4]);
  return parts[1] === '-' ? -value : value;
}

/** A number that double precision cannot hold is none. */
const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** A text with the plain characters that numbers are read from: LaTeX fractions and spaces, signs, digits, vulgar fractions. */
function plainText(text: string): string {
  return (
    text
      .replace(/[０-９]/g, (digit) => String(digit.charCodeAt(0) - 0xff10))
      .replace(/[−–‒]/g, '-')
      .replace(/(\d)\s+and\s+(?=\d+\s*[/⁄]\s*\d)/g, '$1 ')
      .replaceAll('⁄', '/')
      // A fraction after a digit is the second part of a mixed number.
      .replace(/(\d?)\s*([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])/g, (_, digit: string, one: string) =>
        digit === '' ? (vulgarFractions[one] as string) : `${digit} ${vulgarFractions[one]}`,
      )
      .replace(
        /(\d?)\s*\\[dtc]?frac\s*(?:\{\s*(-?[\d.,]+)\s*\}|(\d))\s*(?:\{\s*(-?[\d.,]+)\s*\}|(\d))/g,
        (_, digit: string, above?: string, above1?: string, below?: string, below1?: string) =>
          `${digit === '' ? '' : `${digit} `}${ungrouped(above ?? above1)}/${ungrouped(below ?? below1)}`,
      )
      .replaceAll('{,}', ',')
      .replace(/,\\!/g, ',')
      .replace(/\\[,:; ]|~/g, ' ')
      .replace(/\\?[$€£¥₹%]|\\!/g, '')
  );
}

/** Digits without commas between thousands. */
const ungrouped = (digits = ''): string =>
  /^-?\d{1,3}(?:,\d{3})+$/.test(digits) ? digits.replaceAll(',', '') : digits;

/**
 * What joins digits to one number, or to a calculation whose parts are not its result. Such a run is read
 * completely or not at all.
 */
const joint = [
  String.raw`[.,'’_:^](?=\d)`,
  '[²³]',
  String.raw`\s:\s?(?=\d)`,
  `${space}(?=\\d)`,
  String.raw`[eE](?=[+-]?\d)`,
  String.raw`\s?(?:[-+*/×÷·xX±]|\\(?:times|cdot|div|pm)\b)\s?\(?(?=[\d.])`,
  String.raw`\)(?=\s?[-+*/×÷·]\s?[\d(])`,
].join('|');
const run = new RegExp(`(?:(?<![\\d)\\]])[-+])?(?:\\d|\\.\\d)(?:\\d|${joint})*`, 'g');

/** Only the end of a longer text is read, so that grading is always quick. */
const longest = 2000;

/**
 * The number that a short text states: the text itself, otherwise the last number of its last side of an equation that has
 * one; null if there is none. A text from which only a part of a number or of a calculation could be read states none.
 */
export function statedNumber(text: string): number | null {
  for (const side of text
    .slice(-longest)
    .split(/=|≈|\\approx/)
    .reverse()) {
    const whole = asNumber(side);
    if (whole !== null) return whole;
    // The exponent of a unit is not a separate number.
    const plain = plainText(side).replace(/\^\{?\\circ\}?|(?<=[a-zA-Z}])\^\{?\d\}?/g, '');
    const found = [...plain.matchAll(run)].filter(({ index }) => !isInWord(plain, index));
    const last = found.at(-1);
    if (last === undefined) continue;
    const before = found.at(-2);
    if (before && isOneQuantity(plain.slice(before.index + before[0].length))) return null;
    if (before && /\bbetween\s+\S*$/i.test(plain.slice(0, before.index))) return null;
    // Roots, powers, functions, and fractions of anything else than numbers.
    if (/\\(?:sqrt|pi|[dtc]?frac|binom|sin|cos|tan|log|ln)(?![a-zA-Z])|\^\{|[π√]/.test(plain)) return null;
    // "- 18" may be a negative number or an item of a list, "18k" 18,000 or a unit, "0.33..." a third.
    const after = plain.slice(last.index + last[0].length);
    if (
      /^\s*-\s+$|-\s*\(\s*$|\b(?:minus|negative)\s+$/i.test(plain.slice(0, last.index)) ||
      /^(?:k|K|M|B|bn)\b/.test(after)
    )
      return null;
    if (isContinued.test(after)) return null;
    if (last[0].includes('.') && /^(?:\.{2,}|…)/.test(after)) return null;

    const multiple = new RegExp(`^\\s*(?:${multipleWords})s?\\b`, 'i').exec(after)?.[0] ?? '';
    return asNumber(last[0] + multiple);
  }
  return null;
}

/** What follows a number that is only a part of the quantity: "1 and a half", "2h30". */
const isContinued = /^(?:\s+and\s+(?:a|an|one|three)\s+(?:half|third|quarter|fifth|eighth)s?\b|h\d)/i;

/**
 * Whether a text that follows a number says that the number after it belongs to the same quantity, such as "hours and 30 minutes",
 * "feet 3 inches", "hundred and 5", "to 5", "or 4", "out of 20". Neither of the two is the whole quantity then.
 */
const isOneQuantity = (text: string): boolean =>
  new RegExp(`^\\s*(?:${multipleWords})s?,?\\s+(?:and\\s+)?\\d`, 'i').test(text) ||
  /^\s*(?:\w+\s+)?(?:or|to|out of)\s+[$€£]?[\d.]/.test(text) ||
  /^\s*(?:hours?|hrs?|h|minutes?|mins?|feet|foot|ft|pounds?|lbs?|years?|months?|weeks?|days?|dollars?|pesos?|euros?)(?:,|\s)\s*(?:and\s+)?[\d.]+\s*(?:hours?|minutes?|mins?|m|seconds?|secs?|s|inch(?:es)?|in|ounces?|oz|months?|weeks?|days?|cents?)\b/i.test(
    text,
  );

/** Whether digits belong to a name, such as `x2` or `m2`; `USD18` and `Rs18` are amounts. */
function isInWord(text: string, index: number): boolean {
  const word = /\p{L}+$/u.exec(text.slice(0, index))?.[0];
  return word !== undefined && !/^(?:[A-Z]{2,3}|Rs)$/.test(word);
}

/** Whether two numbers are equal, up to the rounding of a calculation such as 1/3. Whole numbers are compared exactly. */
export function sameNumber(first: number | null, second: number | null): boolean {
  if (first === null || second === null) return false;
  if (first === second) return true;
  if (Number.isInteger(first) && Number.isInteger(second)) return false;
  return Math.abs(first - second) <= 1e-12 * Math.max(Math.abs(first), Math.abs(second));
}

import { unwrapped } from './answer-text.ts';
import { latexValue } from './latex-value.ts';
import { equalAsReleased } from './math-normal-form.ts';
import { asNumber, sameNumber } from './number-text.ts';

/**
 * Whether two answers of MATH are equal: in the normal form of the dataset's own code, or part by part (tuples, sets,
 * intervals, lists of solutions, matrices), as numbers, as choices, or as expressions with the same value. A unit counts
 * only if both have one.
 */
export function equalAnswers(first: string, second: string): boolean {
  const [one, other] = [bareAnswer(first), bareAnswer(second)];
  if (equalAsReleased(one, other)) return true;
  if (Math.max(one.length, other.length) > longest) return false;
  if (isInterval(one) !== isInterval(other)) return equal(partsOf(asInterval(one)), partsOf(asInterval(other)));
  return equal(partsOf(one), partsOf(other));
}

/** A bound of an inequality or the end of an interval. */
const bound = '[^<>≤≥=≠]+?';

/**
 * An inequality of one variable as the interval that it describes: `x \ge 0` as `[0,\infty)`, `0 < x \le 1` as `(0,1]`. Any other
 * text as it is. All real numbers are `(-\infty,\infty)`.
 */
function asInterval(text: string): string {
  if (/^(?:\\(?:mathbb|bf|mathbf)\s*\{?R\}?|ℝ|all real numbers)$/i.test(text)) return '(-\\infty,\\infty)';
  const plain = relation(text).join('');
  const both = new RegExp(`^(${bound})([<≤])[a-zA-Z]([<≤])(${bound})$`).exec(plain);
  if (both) return `${both[2] === '<' ? '(' : '['}${both[1]},${both[4]}${both[3] === '<' ? ')' : ']'}`;
  const after = new RegExp(`^[a-zA-Z]([<>≤≥])(${bound})$`).exec(plain);
  const before = new RegExp(`^(${bound})([<>≤≥])[a-zA-Z]$`).exec(plain);
  const mirrored: Readonly<Record<string, string>> = { '<': '>', '>': '<', '≤': '≥', '≥': '≤' };
  const sign = after?.[1] ?? mirrored[before?.[2] ?? ''];
  const value = after?.[2] ?? before?.[1];
  if (sign === '<' || sign === '≤') return `(-\\infty,${value}${sign === '<' ? ')' : ']'}`;
  if (sign === '>' || sign === '≥') return `${sign === '>' ? '(' : '['}${value},\\infty)`;
  return text;
}

const isInterval = (answer: string): boolean =>
  /^[([](?:[^,]*),(?:[^,]*)[)\]]$/.test(answer.replace(/\\(?:left|right)/g, ''));

/** Longer answers are compared in normal form only, so that grading is always quick. */
const longest = 1000;

/** Without box, dollar signs, a closing full stop, text macros, and a name on the left such as `f(x) =` or `x \in`. */
export function bareAnswer(answer: string): string {
  return unwrapped(answer)
    .replace(/\.$/, '')
    .replace(/^\\(?:text|textbf|textit|mathrm|mathbf|mbox|boldsymbol)\{([^{}]*)\}$/, '$1')
    .replace(/^[a-zA-Z]\w*(?:\([a-z]\))?\s*=(?!.*=)/, '')
    .replace(/^[a-zA-Z]\s*(?:\\in(?![a-zA-Z])|∈)/, '')
    .trim();
}

/** An answer of several parts, and how they are held together; one part is `single`. */
interface Parts {
  readonly form: string;
  readonly isOrdered: boolean;
  readonly items: readonly string[];
}

function partsOf(answer: string): Parts {
  const text = answer
    .replace(/\\(?:left|right|[bB]igg?[lr]?)(?![a-zA-Z])/g, '')
    .replace(/\\l(?:brace|angle)(?![a-zA-Z])/g, (name) => (name === '\\lbrace' ? '\\{' : '('))
    .replace(/\\r(?:brace|angle)(?![a-zA-Z])/g, (name) => (name === '\\rbrace' ? '\\}' : ')'))
    .replaceAll(',\\!', '{,}')
    .replace(/(?<!\\)\\[,;: ]/g, ' ')
    .replace(/(?<!\\)\\!/g, '')
    .trim();
  const matrix = /^\\begin\{([pbvBV]?matrix)\}([\s\S]*)\\end\{\1\}$/.exec(text);
  if (matrix) {
    const rows = (matrix[2] as string).split('\\\\').filter((row) => row.trim() !== '');
    return { form: `${rows.length} rows`, isOrdered: true, items: rows.flatMap((row) => row.split('&')) };
  }
  const union = splitOutside(text, /^(?:\\cup(?![a-zA-Z])|∪)/);
  if (union.length > 1) return { form: 'union', isOrdered: false, items: union };
  if (/^(?:\\emptyset|\\varnothing|∅|\\\{\s*\\\})$/.test(text)) return { form: 'list', isOrdered: false, items: [] };
  const set = /^\\\{([\s\S]*)\\\}$/.exec(text)?.[1];
  if (set !== undefined && !set.includes('\\{')) return { form: 'list', isOrdered: false, items: splitList(set) };
  if (/^[([][\s\S]*[)\]]$/.test(text) && closesAtEnd(text)) {
    const items = splitOutside(text.slice(1, -1), /^[,;]/);
    if (items.length > 1) return { form: `${text[0]}${text.at(-1)}`, isOrdered: true, items };
  }
  const list = asNumber(text) === null ? splitList(text).flatMap(bothSigns) : [text];
  return list.length > 1
    ? { form: 'list', isOrdered: false, items: list }
    : { form: 'single', isOrdered: true, items: list };
}

const splitList = (text: string): string[] =>
  splitOutside(
    text,
    /^(?:,|;|\\(?:text|mathrm|mbox)\{\s*(?:,\s*)?(?:and|or)\s*\}|(?<![a-zA-Z])(?:and|or)(?![a-zA-Z]))/,
  ).filter((part) => part.trim() !== '');

/** `3 \pm 2` has two values. */
const bothSigns = (text: string): string[] =>
  /\\pm(?![a-zA-Z])|±/.test(text)
    ? ['+', '-'].map((sign) => text.replace(/\\pm(?![a-zA-Z])|±/g, sign).replace(/^\s*\+/, ''))
    : [text];

/** Splits where the separator matches outside all brackets; intervals may have different brackets on both sides. */
function splitOutside(text: string, separator: RegExp): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    const found = depth === 0 ? separator.exec(text.slice(index)) : null;
    if (found) {
      parts.push(text.slice(start, index));
      start = index + found[0].length;
      index = start - 1;
    } else if ('([{'.includes(text[index] as string)) depth++;
    else if (')]}'.includes(text[index] as string)) depth--;
  }
  return [...parts, text.slice(start)];
}

/** Whether the bracket at the start is closed by the one at the end, not before. */
function closesAtEnd(text: string): boolean {
  let depth = 0;
  for (const [index, character] of [...text].entries()) {
    if ('([{'.includes(character)) depth++;
    if (')]}'.includes(character) && --depth === 0) return index === [...text].length - 1;
  }
  return false;
}

function equal(first: Parts, second: Parts): boolean {
  if (first.items.length !== second.items.length || first.form !== second.form) return false;
  if (first.form === 'single') return equalScalars(first.items[0] as string, second.items[0] as string);
  const same = (one: string, other: string) => equalAnswers(one, other);
  if (first.isOrdered) return first.items.every((item, index) => same(item, second.items[index] as string));
  const left = [...second.items];
  return first.items.every((item) => {
    const index = left.findIndex((other) => same(item, other));
    if (index >= 0) left.splice(index, 1);
    return index >= 0;
  });
}

function equalScalars(first: string, second: string): boolean {
  const [one, other] = [withUnit(first), withUnit(second)];
  if (one.unit !== '' && other.unit !== '' && one.unit !== other.unit) return false;
  if (one.value === '' || other.value === '') return false;
  if (sameNumber(asNumber(one.value), asNumber(other.value))) return true;
  const [choice, otherChoice] = [choiceOf(first), choiceOf(second)];
  if (choice !== null && choice === otherChoice) return true;
  const [number, another] = [inBase(first), inBase(second)];
  if (number !== null || another !== null) return number === another;
  if (word(one.value) !== null && word(one.value) === word(other.value)) return true;
  const [sides, others] = [relation(one.value), relation(other.value)];
  if (sides.length !== others.length) return false;
  // Signs of comparison are parts of their own, and are compared as texts.
  return sides.every((side, index) => side === others[index] || sameValue(side, others[index] as string));
}

/** The letter of a choice: `B`, `(B)`, `\text{(B)}`, `\textbf{(B) } 5`. */
function choiceOf(text: string): string | null {
  const plain = text.replace(/\\(?:text|textbf|textit|mathrm|mathbf|mbox)\{([^{}]*)\}/g, '$1').trim();
  return /^([A-Z])[.:)]?$/.exec(plain)?.[1] ?? /^\(([A-Z])\)(?:\s*\S.*)?$/.exec(plain)?.[1] ?? null;
}

/** A number in another base than ten, as `10110_2` or `(2A)_{16}`: its digits and its base. It is not compared by value. */
function inBase(text: string): string | null {
  const found = /^(\(?)([\dA-F]+)(\)?)_(?:\{(.+)\}|(\d))$/.exec(text.replaceAll(' ', ''));
  if (!found || (found[1] === '') !== (found[3] === '')) return null;
  const base = (found[4] ?? found[5] ?? '').replace(/^\\(?:text|mathrm)\{(.*)\}$/, '$1');
  const named = ['two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'].indexOf(base.toLowerCase());
  return `${found[2]} in base ${named < 0 ? base : named + 2}`;
}

/** A word, whether it begins with a capital letter or not. */
const word = (text: string): string | null => (/^[A-Za-z][a-z]+$/.test(text) ? text.toLowerCase() : null);

const unitWord =
  /^(?:[cmk]?m|in|ft|km|mm|nm|g|kg|mg|l|ml|s|h|hr|min|mph|kph|rad|hz|deg|degrees?|cents?|dollars?|percent|units?|square|sq|cubic|inch(?:es)?|feet|foot|yards?|miles?|meters?|metres?|centimeters?|seconds?|minutes?|hours?|days?|weeks?|months?|years?|people|ways|points?|per)$/i;

/** Separates a unit, in a text macro or written out, from the value before it. */
function withUnit(text: string): { value: string; unit: string } {
  const macro =
    /^(.*?)(?:\\[,;:! ]|~|\s)*((?:\\(?:text|textrm|textit|mathrm|mbox|rm|hbox)\s*\{[^{}]*[a-zA-Z][^{}]*\}(?:\s*\^\s*\{?\d\}?)?(?:\\[,;: ]|[\s/~*.·]|\\cdot)*)+)$/.exec(
      text,
    );
  if (macro && (macro[1] as string).trim() !== '') {
    const unit = (macro[2] as string).replace(/\\[a-z]+|\\[,;: ]|[{}\s~.]/g, '');
    return { value: (macro[1] as string).trim(), unit: unit.toLowerCase() };
  }
  const degrees = /^(.+?)\s*(?:\^\s*\{?\s*\\circ\s*\}?|°|\\degree)$/.exec(text);
  // The degrees of a function's argument are not those of its value.
  if (degrees && !/\\(?:a?(?:sin|cos|tan|cot|sec|csc)|arc\w+)/.test(text))
    return { value: degrees[1] as string, unit: '' };
  const words = /^(.*[\d})])\s*(?:\\[,;: ])*([a-zA-Z]+(?:\^\{?\d\}?)?(?:[\s/]+[a-zA-Z]+(?:\^\{?\d\}?)?)*)$/.exec(text);
  const unit = words?.[2]?.trim().split(/[\s/]+/) ?? [];
  if (
    words &&
    unit.every((word) => unitWord.test(word.replace(/\^.*/, ''))) &&
    (/\s/.test(text) || unit[0]!.length > 1)
  )
    return { value: words[1] as string, unit: unit.join('').toLowerCase() };
  return { value: text, unit: '' };
}

/** The sides of an equation or inequality, and the signs between them. */
function relation(text: string): string[] {
  return text
    .replace(/\\leq?(?:slant)?(?![a-zA-Z])|≤|<=/g, '≤')
    .replace(/\\geq?(?:slant)?(?![a-zA-Z])|≥|>=/g, '≥')
    .replace(/\\neq?(?![a-zA-Z])|≠|!=/g, '≠')
    .replace(/\\lt(?![a-zA-Z])/g, '<')
    .replace(/\\gt(?![a-zA-Z])/g, '>')
    .split(/([=<>≤≥≠])/)
    .map((part) => part.trim());
}

/** Where variables are looked up: points without a pattern that expressions could meet by chance. */
const points = [0.7313, 2.1947, -1.3721, 5.0359, -0.2873];

/** Whether two expressions have the same value at a few points at which both are defined. */
function sameValue(first: string, second: string): boolean {
  const [one, other] = [latexValue(first), latexValue(second)];
  if (one === null || other === null) return false;
  let compared = 0;
  for (const point of points) {
    const at = (variable: string): number => {
      let value = point;
      for (const character of variable) value = ((value * 31 + character.charCodeAt(0) * 0.0917) % 7) - 1.7;
      return value;
    };
    const [left, right] = [one(at), other(at)];
    if (Number.isNaN(left) !== Number.isNaN(right)) return false;
    if (Number.isNaN(left)) continue;
    if (Math.abs(left) > Number.MAX_SAFE_INTEGER || !close(left, right)) return false;
    compared++;
  }
  return compared > 0;
}

/** Equal up to rounding; constant whole numbers exactly. */
function close(first: number, second: number): boolean {
  if (sameNumber(first, second)) return true;
  if (Number.isInteger(first) && Number.isInteger(second)) return false;
  return Math.abs(first - second) <= 1e-11 * Math.max(1, Math.abs(first), Math.abs(second));
}

import { z } from 'zod';
import { UsageError, UserError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import { answerTags, lastBoxed, ownAnswer, taggedAnswer, unwrapped, withLineEnds } from './answer-text.ts';
import { type Arithmetic, readArithmetic } from './arithmetic.ts';
import { checkedOptions } from './checked.ts';
import { solveCountdown } from './countdown-solver.ts';
import { type CountdownPart, countdownPart } from './countdown-split.ts';
import { countdownRewardAsReleased, gradeCountdownAsReleased } from './released/countdown.ts';
import { perCompletion } from './scorer.ts';
import type { Grade, PromptFormat, Reward, Task } from './task.ts';
import { inTags, respondInTags } from './word-problem.ts';

/** Positive integers, each to be used exactly once, and the integer that the expression must equal. */
export interface CountdownRow {
  readonly numbers: readonly number[];
  readonly target: number;
}

/** Countdown in the protocol of SPG (arXiv 2510.09541, appendix on rewards), with three or four numbers. */
export const countdown: Task<CountdownRow> = {
  name: 'countdown',
  description: 'Countdown: combine all given numbers with + - * / to make the target.',
  metrics: ['solved', 'format'],
  rewards: ['reference', 'released'],
  // Four three-digit numbers, three operators and two pairs of brackets are 19 characters, plus one for the end of text.
  completionLength: { tagged: 256, plain: 20 },
  parse,
  contentKeys: ({ numbers, target }) => [`${[...numbers].sort((a, b) => a - b).join(',')}=${target}`],
  prompt: (row, format) => (format === 'plain' ? `${row.numbers.join(',')}=${row.target}:` : taggedPrompt(row)),
  solution,
  generate: (random, options) => draw(random, 'training', options),
  heldOut,
  scorer: perCompletion({ reward: countdownReward, grade: gradeCountdown }),
};

/** Reads `{numbers, target}`, or `{input, output}` as in the published files; lists and numbers may be strings. */
function parse(record: unknown): CountdownRow {
  if (typeof record !== 'object' || record === null) {
    throw new UserError('a problem is an object with the fields numbers and target.');
  }
  const { numbers, nums, input, target, output } = record as Record<string, unknown>;
  const numberList = numbers ?? nums ?? input;
  const list = typeof numberList === 'string' ? numberList.replace(/^\s*\[|\]\s*$/g, '').split(',') : numberList;
  if (!Array.isArray(list) || list.length < 2 || list.length > 8) {
    throw new UserError('numbers: needs a list of two to eight whole numbers.');
  }
  const row = { numbers: list.map(wholeNumber), target: wholeNumber(target ?? output) };
  if (!row.numbers.every((number) => Number.isSafeInteger(number) && number >= 0)) {
    throw new UserError('numbers: needs whole numbers from 0 up.');
  }
  if (!Number.isSafeInteger(row.target)) throw new UserError('target: needs a whole number.');
  return row;
}

function wholeNumber(value: unknown): number {
  if (typeof value === 'string' && /^\s*-?\d+\s*$/.test(value)) return Number(value);
  return typeof value === 'number' ? value : Number.NaN;
}

function taggedPrompt({ numbers, target }: CountdownRow): string {
  return `${respondInTags}

Using only the numbers [${numbers.join(', ')}], write an arithmetic expression that evaluates to exactly ${target}. Use every number of the list exactly once. The operations are +, -, * and /. After the reasoning, put only the expression inside <answer></answer>, without an equals sign and without the target. For example, for the numbers [2, 3, 4] and the target 5 a valid answer is: <answer>
2*4-3
</answer>`;
}

function solution({ numbers, target }: CountdownRow, format: PromptFormat): string | null {
  // Searching six or more numbers would take seconds.
  const expression = numbers.length > 5 ? null : solveCountdown(numbers, target);
  if (expression === null || format === 'plain') return expression;
  return inTags(`${expression} = ${target}`, expression);
}

const problemOptions = z.strictObject({
  /** Number of numbers: 3 (default) or 4. */
  count: z.union([z.literal(3), z.literal(4)], { error: 'needs 3 or 4' }).optional(),
  /** Largest number and largest target; 100 by default, as in the public test file. */
  largest: z.int().min(4).max(999).optional(),
});

/** Draws a solvable problem of one part: uniform numbers, and a target made by combining them at random. */
function draw(random: Random, part: CountdownPart, options: Readonly<Record<string, unknown>>): CountdownRow {
  const { count = 3, largest = 100 } = checkedOptions(problemOptions, 'countdown', options);
  // Each part has at least one problem in 32, but with very small numbers it may be empty.
  for (let attempt = 0; attempt < 100_000; attempt++) {
    const numbers = Array.from({ length: count }, () => 1 + random.integer(largest));
    const target = joinAtRandom(random, numbers);
    if (!Number.isInteger(target) || target < 1 || target > largest) continue;
    if (countdownPart(numbers, target) === part) return { numbers, target };
  }
  throw new UsageError(`countdown has no ${part} problem of ${count} numbers up to ${largest}; allow larger numbers.`);
}

function joinAtRandom(random: Random, numbers: readonly number[]): number {
  const values = random.shuffle(numbers);
  while (values.length > 1) {
    const [left, right] = values.splice(random.integer(values.length - 1), 2);
    const joined = [left + right, left - right, left * right, left / right][random.integer(4)];
    values.splice(random.integer(values.length + 1), 0, joined);
  }
  return values[0];
}

/** Maximum number of held-out problems; more would take minutes to generate and hours to evaluate. */
const mostHeldOut = 10_000;
/** After this many duplicates in a row there are hardly any new problems left. */
const mostRepeats = 1000;

/** Distinct problems, deterministic for given options; a longer list begins with the shorter one. */
function heldOut(
  part: 'validation' | 'test',
  count: number,
  options: Readonly<Record<string, unknown>> = {},
): CountdownRow[] {
  const refuse = (remedy: string) => {
    throw new UsageError(`countdown cannot make ${count} different problems of the ${part} part; ${remedy}.`);
  };
  if (count > mostHeldOut) refuse(`ask for ${mostHeldOut} at most`);
  const random = new Random(0, 'countdown', part);
  const rows = new Map<string, CountdownRow>();
  for (let repeats = 0; rows.size < count; repeats++) {
    if (repeats > mostRepeats) refuse('ask for fewer, or for larger numbers');
    const row = draw(random, part, options);
    const problem = `${[...row.numbers].sort().join(',')}=${row.target}`;
    if (rows.has(problem)) continue;
    rows.set(problem, row);
    repeats = 0;
  }
  return [...rows.values()];
}

/** Maximum distance of the value from the target, as published. */
const tolerance = 1e-5;

/**
 * `reference` follows the paper: 1 for an expression that uses exactly the numbers of the problem and equals the target,
 * 0.1 for one that uses them and has another value, otherwise 0. `released` follows the released code: 0.1 for any closed
 * `<answer>` that is wrong. Both read the last closed `<answer>`, or all of a plain completion.
 */
export function countdownReward(row: CountdownRow, completion: string, name: string, format: PromptFormat): Reward {
  if (name !== 'reference' && name !== 'released') {
    throw new UsageError(`Unknown reward ${name} of countdown; it has ${countdown.rewards.join(', ')}.`);
  }
  const answer = format === 'plain' ? completion.trim() || undefined : answerTags(completion).at(-1);
  if (name === 'released') {
    const total = countdownRewardAsReleased(answer, row.numbers, row.target);
    return { total, parts: { released: total } };
  }
  const expression = answer === undefined ? null : readArithmetic(answer);
  const rightNumbers = expression !== null && usesExactly(expression, row.numbers);
  const solved = rightNumbers && Math.abs(expression.value - row.target) < tolerance;
  const total = solved ? 1 : rightNumbers ? 0.1 : 0;
  return { total, parts: { reference: total } };
}

/**
 * `solved`: the expression uses exactly the numbers of the problem and equals the target. `format`: it is an expression that
 * uses exactly these numbers. Reads a tagged answer, otherwise a boxed one; equations such as `x = …` and `… = 23` count by
 * the side that is the expression.
 */
export function gradeCountdown(
  row: CountdownRow,
  completion: string,
  options: { format: PromptFormat; asReleased: boolean },
): Grade {
  if (options.asReleased) return gradeCountdownAsReleased(completion, row.numbers, row.target);
  const own = ownAnswer(completion);
  const answer = options.format === 'plain' ? own.trim() || null : (taggedAnswer(own) ?? lastBoxed(own));
  const sides = answer === null ? [] : sidesOf(answer);
  const read = sides.map((text) => ({ text, expression: readArithmetic(withProducts(text)) }));
  const chosen =
    read.find(({ expression }) => expression !== null && usesExactly(expression, row.numbers)) ??
    read.find(({ expression }) => expression !== null);
  const expression = chosen?.expression ?? null;
  const format = expression !== null && usesExactly(expression, row.numbers);
  const correct = format && Math.abs(expression.value - row.target) < tolerance;
  return {
    correct,
    extracted: chosen?.text ?? answer,
    scores: { solved: { value: Number(correct), weight: 1 }, format: { value: Number(format), weight: 1 } },
  };
}

/** The sides of an answer that is an equation, or the answer itself, with plain operators; also those of its last line. */
function sidesOf(answer: string): string[] {
  const text = withLineEnds(unwrapped(withLineEnds(answer)))
    // Full-width digits, signs and brackets.
    .replace(/[！-～]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
    .replace(/\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}/g, '(($1)/($2))')
    .replace(/\\times|\\cdot|[×·∗⋅•∙]|\\\*|(?<=[\d)]\s*)[xX](?=\s*[\d(])/g, '*')
    .replace(/\\div|÷/g, '/')
    .replace(/[−–]/g, '-')
    .replace(/\\left|\\right|\\[,;! ]/g, '')
    .replace(/[[{]/g, '(')
    .replace(/[\]}]/g, ')')
    .trim();
  const lastLine = text.slice(text.lastIndexOf('\n') + 1);
  // An answer with more equals signs is a derivation, not an equation.
  return [text, lastLine].flatMap((equation) => equation.split('=', 8)).map(withoutWords);
}

/** A side without the words before it (`Answer:`, `The expression is`) and the punctuation after it. */
const withoutWords = (side: string): string =>
  side
    .trim()
    .replace(/^[A-Za-z][A-Za-z ]{0,80}[: ]\s*(?=[\d(])/, '')
    .replace(/(?<=[\d)])[.;,]$/, '');

/** A number or a bracket before a bracket multiplies it: `5(3+4)`. */
const withProducts = (text: string): string => text.replace(/(?<=[\d)])\s*(?=\()|(?<=\))\s*(?=\d)/g, '*');

function usesExactly(expression: Arithmetic, numbers: readonly number[]): boolean {
  const ascending = (first: number, second: number): number => first - second;
  const used = [...expression.literals].sort(ascending);
  return (
    used.length === numbers.length && [...numbers].sort(ascending).every((number, index) => number === used[index])
  );
}

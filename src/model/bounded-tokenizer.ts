/**
 * Bounds for the tokenizers and chat templates of models from outside. Their regular expressions and templates are small
 * programs, and one that takes forever would hang the process that loads the model.
 */
import { TooSlow, withinTime } from '../platform/time-limit.ts';

/** Milliseconds for the probes of a tokenizer, and for one rendering of a template. Both take a few on a slow machine. */
const probeTime = 5_000;
const renderTime = 2_000;

/** The steps of all pipelines together, how deeply they are nested, and the characters of one expression. */
const most = { steps: 1_000, depth: 32, expression: 20_000, template: 512 * 1024, growth: 4_096 };

/** The pipelines of `tokenizer.json`. */
const pipelines = ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'] as const;

/** Why a tokenizer exceeds the bounds, before it is constructed; null if it does not. */
export function problemOfTokenizer(tokenizer: object): string | null {
  let steps = 0;
  let growth = 1;
  const visit = (node: unknown, depth: number): string | null => {
    if (typeof node !== 'object' || node === null) return null;
    if (++steps > most.steps) return `it has more than ${most.steps} steps`;
    if (depth > most.depth) return `its steps are nested more than ${most.depth} deep`;
    const { type, pattern, content } = node as { type?: unknown; pattern?: unknown; content?: unknown };
    const { Regex: expression, String: fixed } = Object(pattern) as { Regex?: unknown; String?: unknown };
    if (typeof expression === 'string') {
      if (expression.length > most.expression) return `an expression is longer than ${most.expression} characters`;
      if (repeatsRepetition(expression)) return 'an expression repeats a repetition, which can take forever';
    }
    if (type === 'Replace' && typeof content === 'string') {
      growth *= Math.max(1, content.length / (typeof fixed === 'string' ? Math.max(1, fixed.length) : 1));
      if (growth > most.growth) return 'its replacements make texts too long';
    }
    if (depth > 0 && Array.isArray(node) && node.length > most.steps) return `it has more than ${most.steps} steps`;
    for (const child of Object.values(node)) {
      const problem = visit(child, depth + 1);
      if (problem !== null) return problem;
    }
    return null;
  };
  for (const name of pipelines) {
    const problem = visit((tokenizer as Record<string, unknown>)[name], 0);
    if (problem !== null) return problem;
  }
  return null;
}

/**
 * Whether an expression has an unbounded repetition of a group that itself holds one, as in `(a+)+`: matching such an expression
 * by backtracking can take time exponential in the text. Published tokenizers have none.
 */
export function repeatsRepetition(expression: string): boolean {
  /** For each open group, whether it holds an unbounded repetition. */
  const open: boolean[] = [false];
  let ended = false;
  for (let at = 0; at < expression.length; at++) {
    const character = expression[at]!;
    const wasGroup = ended;
    ended = false;
    if (character === '\\') at++;
    else if (character === '[') at = endOfClass(expression, at);
    else if (character === '(') open.push(false);
    else if (character === ')') {
      ended = open.length > 1 && (open.pop() as boolean);
      // A repetition inside counts for the groups around it.
      if (ended) open[open.length - 1] = true;
    } else if (character === '*' || character === '+' || /^\{\d*,\}/.test(expression.slice(at, at + 12))) {
      if (wasGroup) return true;
      open[open.length - 1] = true;
    } else if (wasGroup && /^\{\d{2,}|^\{\d+,\d{2,}/.test(expression.slice(at, at + 12))) return true;
  }
  return false;
}

/** The index of the bracket that ends a character class. */
function endOfClass(expression: string, start: number): number {
  let at = start + 1;
  while (at < expression.length && expression[at] !== ']') at += expression[at] === '\\' ? 2 : 1;
  return at;
}

/** Texts on which expressions that backtrack take long: long runs of one kind, with an end that does not fit. */
const probes = ['a', ' ', '0', '\n', 'aA', 'a ', '"', '-', 'é', '中', '{(', "'s"]
  .map((part) => `${part.repeat(Math.ceil(300 / part.length))}!`)
  .concat('', 'def f(x):\n    return x + 1  # a comment\n');

/** Why encoding does not end in time or gives far more tokens than characters; null if it is fine. */
export function problemOfEncoding(encode: (text: string) => readonly number[]): string | null {
  try {
    return withinTime(probeTime, () => {
      for (const text of probes)
        if (encode(text).length > 64 * text.length + 64) return 'it makes far more tokens than a text has characters';
      return null;
    });
  } catch (error) {
    if (error instanceof TooSlow) return `encoding short texts takes longer than ${probeTime / 1000} s`;
    throw error;
  }
}

/** Renders a chat template in bounded time. Throws an error that says so if it is too long or does not end. */
export function renderInTime(source: string, render: () => string): string {
  if (source.length > most.template) throw new Error(`it is longer than ${most.template / 1024} KiB`);
  try {
    return withinTime(renderTime, render);
  } catch (error) {
    if (error instanceof TooSlow) throw new Error(`it takes longer than ${renderTime / 1000} s`);
    throw error;
  }
}

import type { Node } from '@vscode/tree-sitter-wasm';
import { isWellFormed, parseSource } from './trees.ts';

/** A small change of a program that should change what it computes. Characters [start, end) become `replacement`. */
export interface Mutant {
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  /** Line of the change, from 1. */
  readonly line: number;
  /** For example `a + b → a - b`. */
  readonly description: string;
}

type Change = Omit<Mutant, 'line' | 'description'>;

const swappedOperators: Readonly<Record<string, string>> = {
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '%': '*',
  '//': '*',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '==': '!=',
  '!=': '==',
  '===': '!==',
  '!==': '===',
  '&&': '||',
  '||': '&&',
  '??': '&&',
  and: 'or',
  or: 'and',
};

const binary = /^(binary_expression|binary_operator|comparison_operator|boolean_operator)$/;
const numbers = /^(number|integer|float|int_literal|float_literal|integer_literal|decimal_integer_literal)$/;
/** Changes that are tried for syntax errors. */
const mostExamined = 64;
const scripts = /^(javascript|typescript|python)/;

/**
 * At most `most` mutants of the text between `start` and `end`, spread evenly over it: an operator is replaced, a
 * constant is changed, a condition is negated, an argument is dropped or added. Every mutated text parses. Empty for a
 * language without a grammar.
 */
export async function mutantsOf(
  languageId: string,
  text: string,
  { start, end }: { readonly start: number; readonly end: number },
  most: number,
): Promise<Mutant[]> {
  const tree = await parseSource(languageId, text);
  if (!tree) return [];
  const changes: Mutant[] = [];
  try {
    const open: Node[] = [tree.rootNode];
    for (let node = open.pop(); node; node = open.pop()) {
      if (node.endIndex <= start || node.startIndex >= end) continue;
      if (node.startIndex >= start && node.endIndex <= end)
        for (const change of changesOf(node, languageId)) changes.push(described(change, node));
      for (const child of node.namedChildren) if (child) open.push(child);
    }
  } finally {
    tree.delete();
  }
  changes.sort((a, b) => a.start - b.start || a.end - b.end);
  const mutants: Mutant[] = [];
  for (const mutant of spread(changes, mostExamined))
    if (await isWellFormed(languageId, mutated(text, mutant))) mutants.push(mutant);
  return spread(mutants, most);
}

/** The text with the change made. */
export const mutated = (text: string, { start, end, replacement }: Change): string =>
  text.slice(0, start) + replacement + text.slice(end);

/** A changed argument list is shown with its call. */
function described(change: Change, node: Node): Mutant {
  const shown = /^argument/.test(node.type) && node.parent ? node.parent : node;
  const own = { ...change, start: change.start - shown.startIndex, end: change.end - shown.startIndex };
  const description = `${short(shown.text)} → ${short(mutated(shown.text, own))}`;
  return { ...change, line: node.startPosition.row + 1, description };
}

function changesOf(node: Node, languageId: string): Change[] {
  const { type, startIndex: start, endIndex: end } = node;
  if (binary.test(type)) {
    const operator = node.children.find((child) => child && !child.isNamed && child.type in swappedOperators);
    return operator ? [replaced(operator, swappedOperators[operator.type] as string)] : [];
  }
  if (numbers.test(type)) {
    const value = Number(node.text);
    return Number.isSafeInteger(value) ? [{ start, end, replacement: String(value + 1) }] : [];
  }
  if (type === 'true' || type === 'false') return [replaced(node, flipped(node.text))];
  if (type === 'boolean_literal') return [replaced(node, node.text === 'true' ? 'false' : 'true')];
  if (type === 'string' && scripts.test(languageId) && /^(['"])(?!\1).+\1$/.test(node.text))
    return [replaced(node, node.text[0]!.repeat(2))];
  if (/^(if_statement|while_statement|conditional_expression|ternary_expression)$/.test(type)) {
    const condition = node.childForFieldName('condition');
    return condition ? [negated(condition, languageId)] : [];
  }
  if ((type === 'arguments' || type === 'argument_list') && scripts.test(languageId)) return argumentChanges(node);
  return [];
}

const replaced = ({ startIndex: start, endIndex: end }: Node, replacement: string): Change => ({
  start,
  end,
  replacement,
});

/** The other truth value, as the language writes it. */
const flipped = (text: string): string =>
  ({ true: 'false', false: 'true', True: 'False', False: 'True' })[text] ?? text;

function negated(condition: Node, languageId: string): Change {
  const isWrapped = condition.type === 'parenthesized_expression';
  const inner = isWrapped ? condition.text.slice(1, -1) : condition.text;
  const not = languageId === 'python' ? `not (${inner})` : `!(${inner})`;
  return replaced(condition, isWrapped ? `(${not})` : not);
}

/** The call without its last argument, and with one more. */
function argumentChanges(list: Node): Change[] {
  const items = list.namedChildren.filter((child) => child !== null);
  const last = items.at(-1);
  if (!last) return [];
  const before = items.at(-2);
  const dropped = { start: before ? before.endIndex : last.startIndex, end: last.endIndex, replacement: '' };
  return [dropped, { start: last.endIndex, end: last.endIndex, replacement: ', 1' }];
}

/** At most `most` items at equal distances. */
export function spread<Item>(items: readonly Item[], most: number): Item[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, index) => items[Math.floor((index * items.length) / most)] as Item);
}

const short = (text: string): string => {
  const line = text.replace(/\s+/g, ' ');
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
};

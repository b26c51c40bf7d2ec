import type { Node } from '@vscode/tree-sitter-wasm';
import { spread } from './mutants.ts';
import { parseSource } from './trees.ts';

/** Kinds of parts of a function body, from small to large. */
export const partKinds = ['expression', 'line', 'statement', 'two lines'] as const;
export type PartKind = (typeof partKinds)[number];

/** A part of a function body: characters [start, end). */
export interface FunctionPart {
  readonly kind: PartKind;
  readonly start: number;
  readonly end: number;
}

/** Characters of the longest part. */
const longestPart = 200;
/** Characters of the shortest part; anything shorter is punctuation. */
const shortestPart = 3;

const trivial = /^(identifier|property_identifier|number|integer|float|string|true|false|null|none|undefined|this)$/i;
const valueFields = ['value', 'right', 'condition', 'argument'];

/**
 * Parts of a function body that can be written on their own, at most `most` of each kind, spread evenly over it. None
 * is the whole body. Empty for a language without a grammar.
 */
export async function functionParts(
  languageId: string,
  text: string,
  { start, end }: { readonly start: number; readonly end: number },
  most: number,
): Promise<FunctionPart[]> {
  const tree = await parseSource(languageId, text);
  if (!tree) return [];
  try {
    const body = text.slice(start, end).trim();
    const found: FunctionPart[] = [...lineParts(text, start, end), ...syntaxParts(tree.rootNode, start, end)];
    const seen = new Set<string>();
    // A part of two kinds counts as the kind that is found first.
    const fitting = found.filter((part) => {
      const own = text.slice(part.start, part.end);
      const key = `${part.start} ${part.end}`;
      const fits = own.length >= shortestPart && own.length <= longestPart && own.trim() !== body && !seen.has(key);
      seen.add(key);
      return fits;
    });
    return partKinds.flatMap((kind) =>
      spread(
        fitting.filter((part) => part.kind === kind).sort((a, b) => a.start - b.start),
        most,
      ),
    );
  } finally {
    tree.delete();
  }
}

/** Expressions whose value is used, and statements. A statement that fills a line is already found as a line. */
function syntaxParts(root: Node, start: number, end: number): FunctionPart[] {
  const parts: FunctionPart[] = [];
  const open: Node[] = [root];
  for (let node = open.pop(); node; node = open.pop()) {
    if (node.endIndex <= start || node.startIndex >= end) continue;
    if (node.startIndex >= start && node.endIndex <= end) {
      const range = { start: node.startIndex, end: node.endIndex };
      if (isExpression(node)) parts.push({ kind: 'expression', ...range });
      if (isStatement(node)) parts.push({ kind: 'statement', ...range });
    }
    for (const child of node.namedChildren) if (child) open.push(child);
  }
  return parts;
}

/** An expression on one line that is returned, assigned, tested or passed to a call. */
function isExpression(node: Node): boolean {
  const { parent } = node;
  if (!parent || trivial.test(node.type) || node.startPosition.row !== node.endPosition.row) return false;
  if (/^(parenthesized_expression|block|statement_block|comment)$/.test(node.type)) return false;
  if (/^(return_statement|return_expression|parenthesized_expression|arguments|argument_list)$/.test(parent.type))
    return true;
  return valueFields.some((field) => parent.childForFieldName(field)?.id === node.id);
}

const isStatement = (node: Node): boolean =>
  /(_statement|_declaration)$/.test(node.type) && /block$|^block/.test(node.parent?.type ?? '');

/** The text of each line, and of each two lines that follow each other, without blank lines and lone brackets. */
function lineParts(text: string, start: number, end: number): FunctionPart[] {
  const lines: { start: number; end: number }[] = [];
  let at = start;
  for (const line of text.slice(start, end).split('\n')) {
    const own = line.trim();
    const from = at + line.search(/\S|$/);
    if (/\w/.test(own) && !/^(\/\/|#|\*|\/\*)/.test(own)) lines.push({ start: from, end: from + own.length });
    at += line.length + 1;
  }
  const pairs = lines.slice(1).flatMap((second, index) => {
    const first = lines[index] as { start: number; end: number };
    const between = text.slice(first.end, second.start);
    return between.trim() === '' && between.split('\n').length === 2
      ? [{ kind: 'two lines' as const, start: first.start, end: second.end }]
      : [];
  });
  return [...lines.map((line) => ({ kind: 'line' as const, ...line })), ...pairs];
}

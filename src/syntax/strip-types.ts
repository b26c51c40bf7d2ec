import type { Node } from '@vscode/tree-sitter-wasm';
import { parseSource } from './trees.ts';

/** Node types of TypeScript that have no meaning at run time and are removed entirely. */
const erased: ReadonlySet<string> = new Set([
  'type_annotation',
  'asserts_annotation',
  'type_predicate_annotation',
  'opting_type_annotation',
  'omitting_type_annotation',
  'adding_type_annotation',
  'type_parameters',
  'type_arguments',
  'interface_declaration',
  'type_alias_declaration',
  'function_signature',
  'method_signature',
  'abstract_method_signature',
  'index_signature',
  'implements_clause',
  'accessibility_modifier',
  'override_modifier',
  'ambient_declaration',
  '?',
  'abstract',
  'readonly',
  'declare',
]);

/** Parents in which a question mark is an operator and not part of a type. */
const operators: ReadonlySet<string> = new Set(['ternary_expression', 'conditional_type', 'optional_chain']);

/** Text that would continue the previous statement or class member if that one has no semicolon. */
const continuesStatement = /^[([`+\-*/<]/;
const blanksAndComments = /^(?:\s+|\/\/.*|\/\*[\s\S]*?\*\/)*/;

const holdsStatements: ReadonlySet<string> = new Set(['program', 'statement_block', 'class_body']);

/** Increased whenever the output changes, so that cached snapshots of earlier versions are not reused. */
export const strippingVersion = 2;

/** A part of the text that is blanked out. */
interface Blank {
  readonly start: number;
  readonly end: number;
  /** Replacement of its last character. */
  readonly last?: string;
  /** Whether a statement or a class member begins here. */
  readonly isFirst?: boolean;
}

/**
 * Turns TypeScript into JavaScript by blanking out types, so that every character keeps its position. A blank may end
 * in a moved parenthesis or begin with a semicolon. Only erasable types are removed. Syntax that must be translated
 * (enums, namespaces, parameter properties) stays, and the JavaScript engine reports it. If a text does not parse,
 * the parts that were recognised are blanked.
 */
export async function stripTypes(text: string): Promise<string> {
  const tree = await parseSource('typescript', text);
  if (!tree) throw new Error('the grammar of TypeScript is missing');
  try {
    const blanks: Blank[] = [];
    // An explicit stack, because texts may be nested deeper than the call stack allows.
    const open: Node[] = [tree.rootNode];
    for (let node = open.pop(); node; node = open.pop()) {
      const blank = blanked(node, text);
      if (blank) blanks.push({ ...blank, isFirst: blank.start === node.startIndex && beginsStatement(node) });
      if (!blank || blank.start > node.startIndex) for (const child of node.children) if (child) open.push(child);
    }
    return blankOut(text, blanks);
  } finally {
    tree.delete();
  }
}

/** The part of a node to blank out; null if all of it stays. */
function blanked(node: Node, text: string): Blank | null {
  const { type, parent, startIndex: start, endIndex: end } = node;
  if (type === '?' && parent !== null && operators.has(parent.type)) return null;
  // Modifiers of a parameter declare a field and cannot be erased.
  if (parent?.type === 'required_parameter' || parent?.type === 'optional_parameter')
    if (type.endsWith('_modifier') || type === 'readonly') return null;
  if (type.endsWith('_annotation') && parent?.type === 'arrow_function') {
    // There must be no line break between the parameters and the arrow, so the closing parenthesis moves to the end
    // of the type.
    const parameters = parent.childForFieldName('parameters');
    if (parameters && /[\n\r]/.test(text.slice(parameters.endIndex, end)))
      return { start: parameters.endIndex - 1, end, last: ')' };
  }
  if (erased.has(type)) return { start, end };
  // Without types, a field that is only declared would become a field with the value undefined.
  const isDeclaredOnly = (child: Node | null) => child?.type === 'abstract' || child?.type === 'declare';
  if (type === 'public_field_definition' && node.children.some(isDeclaredOnly)) return { start, end };
  if (type === 'as_expression' || type === 'satisfies_expression') {
    const value = node.child(0);
    return value ? { start: value.endIndex, end } : null;
  }
  // `value!` and `field!: Type`: only the mark.
  if (
    type === '!' &&
    parent !== null &&
    ['non_null_expression', 'public_field_definition', 'variable_declarator'].includes(parent.type)
  )
    return { start, end };
  const isTypeOnly = node.children.some((child) => child?.type === 'type');
  if ((type === 'import_statement' || type === 'export_statement') && isTypeOnly) return { start, end };
  // An exported type is removed together with its `export`.
  const declaration = type === 'export_statement' ? node.childForFieldName('declaration') : null;
  if (declaration && erased.has(declaration.type)) return { start, end };
  // `this: Type` as a parameter and `type Name` in a list, each with its comma.
  const isThis = type === 'required_parameter' && node.child(0)?.type === 'this';
  if (isThis || ((type === 'import_specifier' || type === 'export_specifier') && isTypeOnly)) {
    return { start, end: node.nextSibling?.type === ',' ? node.nextSibling.endIndex : end };
  }
  return null;
}

/** Whether a node is at the beginning of a statement or of a class member. */
function beginsStatement(node: Node): boolean {
  let parent = node.parent;
  while (parent?.startIndex === node.startIndex && !holdsStatements.has(parent.type)) parent = parent.parent;
  return parent !== null && holdsStatements.has(parent.type);
}

function blankOut(text: string, blanks: readonly Blank[]): string {
  let covered = 0;
  const outermost = [...blanks]
    .sort((a, b) => a.start - b.start)
    .filter(({ start, end }) => {
      const isOutermost = start >= covered;
      if (isOutermost) covered = end;
      return isOutermost;
    });
  const parts: string[] = [];
  let to = text.length;
  // The code that follows the blank, without white space and comments.
  let next = '';
  for (const { start, end, last = '', isFirst = false } of outermost.reverse()) {
    const following = text.slice(end, to);
    next = following.replace(blanksAndComments, '') || next;
    const first = isFirst && continuesStatement.test(next) ? ';' : '';
    next = last || first || next;
    const blank = text.slice(start + first.length, end - last.length).replace(/[^\n\r]/g, ' ');
    parts.push(following, first + blank + last);
    to = start;
  }
  return text.slice(0, to) + parts.reverse().join('');
}

import type { Node } from '@vscode/tree-sitter-wasm';
import { parseSource } from './trees.ts';

/** Nodes of TypeScript that have no meaning at run time and go as they are. */
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

/** Of a node in these places a question mark is not a type's but an operator. */
const operators: ReadonlySet<string> = new Set(['ternary_expression', 'conditional_type', 'optional_chain']);

/** What begins a statement or a member of a class, and would go on with the one before where that has no semicolon. */
const goesOn = /^[([`+\-*/<]/;
const blanksAndComments = /^(?:\s+|\/\/.*|\/\*[\s\S]*?\*\/)*/;

const holdsStatements: ReadonlySet<string> = new Set(['program', 'statement_block', 'class_body']);

/** Counts the changes of what is made of a text, which tell a snapshot that was kept from one that is made now. */
export const strippingVersion = 2;

/** A part of the text that goes. */
interface Blank {
  readonly start: number;
  readonly end: number;
  /** What its last character becomes. */
  readonly last?: string;
  /** Whether a statement, or a member of a class, begins with it. */
  readonly isFirst?: boolean;
}

/**
 * TypeScript as JavaScript: types are blanked out, so that every character stays where it was; in their place stands at most
 * a parenthesis that had to move, or a semicolon. Only types that can be erased are known; what must be translated (enums,
 * namespaces, parameter properties) stays, and the JavaScript engine says that it cannot be run. A text that does not parse
 * comes back with what was recognised in it blanked.
 */
export async function stripTypes(text: string): Promise<string> {
  const tree = await parseSource('typescript', text);
  if (!tree) throw new Error('the grammar of TypeScript is missing');
  try {
    const blanks: Blank[] = [];
    // A stack of our own: a text may be nested deeper than the engine's.
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

/** What goes of a node; null where it stays whole. */
function blanked(node: Node, text: string): Blank | null {
  const { type, parent, startIndex: start, endIndex: end } = node;
  if (type === '?' && parent !== null && operators.has(parent.type)) return null;
  // The modifiers of a parameter make a field of it.
  if (parent?.type === 'required_parameter' || parent?.type === 'optional_parameter')
    if (type.endsWith('_modifier') || type === 'readonly') return null;
  if (type.endsWith('_annotation') && parent?.type === 'arrow_function') {
    // No line may end between its parameters and the arrow: their parenthesis stands at the end of the type.
    const parameters = parent.childForFieldName('parameters');
    if (parameters && /[\n\r]/.test(text.slice(parameters.endIndex, end)))
      return { start: parameters.endIndex - 1, end, last: ')' };
  }
  if (erased.has(type)) return { start, end };
  // A field that is declared only would be one that is undefined.
  const isDeclaredOnly = (child: Node | null) => child?.type === 'abstract' || child?.type === 'declare';
  if (type === 'public_field_definition' && node.children.some(isDeclaredOnly)) return { start, end };
  if (type === 'as_expression' || type === 'satisfies_expression') {
    const value = node.child(0);
    return value ? { start: value.endIndex, end } : null;
  }
  // `value!` and `field!: Type`: the mark alone.
  if (
    type === '!' &&
    parent !== null &&
    ['non_null_expression', 'public_field_definition', 'variable_declarator'].includes(parent.type)
  )
    return { start, end };
  const isTypeOnly = node.children.some((child) => child?.type === 'type');
  if ((type === 'import_statement' || type === 'export_statement') && isTypeOnly) return { start, end };
  // An exported type leaves nothing to export.
  const declaration = type === 'export_statement' ? node.childForFieldName('declaration') : null;
  if (declaration && erased.has(declaration.type)) return { start, end };
  // `this: Type` as a parameter and `type Name` in a list, each with its comma.
  const isThis = type === 'required_parameter' && node.child(0)?.type === 'this';
  if (isThis || ((type === 'import_specifier' || type === 'export_specifier') && isTypeOnly)) {
    return { start, end: node.nextSibling?.type === ',' ? node.nextSibling.endIndex : end };
  }
  return null;
}

/** Whether a node stands at the beginning of a statement, or of a member of a class. */
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
  // What has a meaning behind the blank, from its first character on.
  let next = '';
  for (const { start, end, last = '', isFirst = false } of outermost.reverse()) {
    const behind = text.slice(end, to);
    next = behind.replace(blanksAndComments, '') || next;
    const first = isFirst && goesOn.test(next) ? ';' : '';
    next = last || first || next;
    const blank = text.slice(start + first.length, end - last.length).replace(/[^\n\r]/g, ' ');
    parts.push(behind, first + blank + last);
    to = start;
  }
  return text.slice(0, to) + parts.reverse().join('');
}

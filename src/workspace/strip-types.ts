import type { Node } from '@vscode/tree-sitter-wasm';
import { parseSource } from './syntax-trees.ts';

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

/**
 * TypeScript as JavaScript: types are blanked out, so that every character stays where it was. Only types that can be
 * erased are known; what must be translated (enums, namespaces, parameter properties) stays, and the JavaScript engine
 * says that it cannot be run. A text that does not parse comes back with what was recognised in it blanked.
 */
export async function stripTypes(text: string): Promise<string> {
  const tree = await parseSource('typescript', text);
  if (!tree) throw new Error('the grammar of TypeScript is missing');
  try {
    const blanks: [start: number, end: number][] = [];
    // A stack of our own: a text may be nested deeper than the engine's.
    const open: Node[] = [tree.rootNode];
    for (let node = open.pop(); node; node = open.pop()) {
      const blank = blanked(node);
      if (blank) blanks.push(blank);
      if (!blank || blank[0] > node.startIndex) for (const child of node.children) if (child) open.push(child);
    }
    return blankOut(text, blanks);
  } finally {
    tree.delete();
  }
}

/** What goes of a node; null where it stays whole. */
function blanked(node: Node): [start: number, end: number] | null {
  const { type, parent, startIndex, endIndex } = node;
  if (type === '?' && parent !== null && operators.has(parent.type)) return null;
  if (erased.has(type)) return [startIndex, endIndex];
  if (type === 'as_expression' || type === 'satisfies_expression') {
    const value = node.child(0);
    return value ? [value.endIndex, endIndex] : null;
  }
  // `value!` and `field!: Type`: the mark alone.
  if (
    type === '!' &&
    parent !== null &&
    ['non_null_expression', 'public_field_definition', 'variable_declarator'].includes(parent.type)
  )
    return [startIndex, endIndex];
  const isTypeOnly = node.children.some((child) => child?.type === 'type');
  if ((type === 'import_statement' || type === 'export_statement') && isTypeOnly) return [startIndex, endIndex];
  // An exported type leaves nothing to export.
  const declaration = type === 'export_statement' ? node.childForFieldName('declaration') : null;
  if (declaration && erased.has(declaration.type)) return [startIndex, endIndex];
  // `this: Type` as a parameter and `type Name` in a list, each with its comma.
  const isThis = type === 'required_parameter' && node.child(0)?.type === 'this';
  if (isThis || ((type === 'import_specifier' || type === 'export_specifier') && isTypeOnly)) {
    const comma = node.nextSibling?.type === ',' ? node.nextSibling.endIndex : endIndex;
    return [startIndex, comma];
  }
  return null;
}

function blankOut(text: string, blanks: readonly [start: number, end: number][]): string {
  let result = '';
  let from = 0;
  for (const [start, end] of [...blanks].sort(([a], [b]) => a - b)) {
    if (start < from) continue;
    result += text.slice(from, start) + text.slice(start, end).replace(/[^\n\r]/g, ' ');
    from = end;
  }
  return result + text.slice(from);
}

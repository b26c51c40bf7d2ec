import type { Node } from '@vscode/tree-sitter-wasm';

/** The parameters of a function in a syntax tree, and how it is called. */
export interface Signature {
  readonly name: string;
  /** Whether it is called as a member of an object: a method. */
  readonly isMember: boolean;
  /** The texts of its parameters, without Python's `self` and `cls`. */
  readonly parameters: readonly Parameter[];
}

export interface Parameter {
  readonly text: string;
  /** Its name; null if it is taken apart. */
  readonly name: string | null;
  /** Whether a call may leave it out. */
  readonly isOptional: boolean;
}

/** A call in a syntax tree: its arguments, and the offsets between its parentheses. */
export interface Call {
  readonly start: number;
  readonly end: number;
  readonly arguments: readonly { readonly start: number; readonly end: number; readonly text: string }[];
}

const functions =
  /^(function_declaration|generator_function_declaration|method_definition|arrow_function|function_expression|function_definition|function_signature|abstract_method_signature)$/;

/** The innermost function whose list of parameters contains characters [start, end); null if there is none with a name. */
export function signatureAt(root: Node, start: number, end: number): Signature | null {
  for (let node = root.descendantForIndex(start, end); node; node = node.parent) {
    if (!functions.test(node.type)) continue;
    const list = node.childForFieldName('parameters');
    if (!list || start <= list.startIndex || end >= list.endIndex) return null;
    const name = nameOf(node);
    if (name === null) return null;
    const isMember = node.type.includes('method') || (isPython(node) && isInClass(node));
    const parameters = list.namedChildren.flatMap((child) =>
      child && !/comment|separator/.test(child.type) ? [parameterOf(child)] : [],
    );
    const own = isMember && isPython(node) && /^(self|cls)$/.test(parameters[0]?.text ?? '') ? 1 : 0;
    return { name, isMember, parameters: parameters.slice(own) };
  }
  return null;
}

/** The calls of a function by its name, in order. Calls whose arguments are spread are left out. */
export function callsOf(root: Node, { name, isMember }: Pick<Signature, 'name' | 'isMember'>): Call[] {
  const found: Call[] = [];
  for (const node of root.descendantsOfType(['call_expression', 'call', 'new_expression'])) {
    const called = node?.childForFieldName('function') ?? node?.childForFieldName('constructor');
    const list = node?.childForFieldName('arguments');
    if (!called || !list || list.hasError) continue;
    const member = called.childForFieldName('property') ?? called.childForFieldName('attribute');
    if (isMember ? member?.text !== name : called.text !== name) continue;
    const children = list.namedChildren.flatMap((child) => (child && !/comment/.test(child.type) ? [child] : []));
    if (children.some(({ type }) => /spread|splat|keyword_argument|generator_expression/.test(type))) continue;
    found.push({
      start: list.startIndex + 1,
      end: list.endIndex - 1,
      arguments: children.map(({ startIndex, endIndex, text }) => ({ start: startIndex, end: endIndex, text })),
    });
  }
  return found.sort((a, b) => a.start - b.start);
}

const isPython = (node: Node): boolean => node.type === 'function_definition';
const isInClass = (node: Node): boolean =>
  /^class/.test(node.parent?.parent?.type ?? '') || /^class/.test(node.parent?.parent?.parent?.type ?? '');

function nameOf(node: Node): string | null {
  const own = node.childForFieldName('name');
  if (own) return own.text;
  return node.parent?.type === 'variable_declarator' ? (node.parent.childForFieldName('name')?.text ?? null) : null;
}

function parameterOf(node: Node): Parameter {
  const pattern = node.childForFieldName('pattern') ?? node.childForFieldName('name') ?? node;
  const inner = pattern.type.endsWith('parameter') ? (pattern.namedChildren[0] ?? pattern) : pattern;
  return {
    text: node.text,
    name: /^identifier$/.test(inner.type) ? inner.text : null,
    isOptional:
      /optional|default|assignment_pattern|rest|splat/.test(node.type) || node.childForFieldName('value') !== null,
  };
}

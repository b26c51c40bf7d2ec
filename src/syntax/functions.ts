import type { Node } from '@vscode/tree-sitter-wasm';
import { languageOf, parseSource } from './trees.ts';

/** A function or method of a source file, and where its body stands: characters [start, end). */
export interface SourceFunction {
  /** With the names of what it stands in: `Stack.push`. */
  readonly name: string;
  /** Line of its beginning, from 1. */
  readonly line: number;
  readonly start: number;
  readonly end: number;
  /** Of its declaration, from its first character on; what an engine's coverage names. */
  readonly from: number;
}

interface Grammar {
  /** Nodes that are functions with a body of statements. */
  readonly functions: ReadonlySet<string>;
  readonly body: string;
  /** Whether a body stands between braces, which stay. */
  readonly braces: boolean;
}

const javascript: Grammar = {
  functions: new Set([
    'function_declaration',
    'generator_function_declaration',
    'method_definition',
    'arrow_function',
    'function_expression',
  ]),
  body: 'statement_block',
  braces: true,
};

const grammars: Readonly<Record<string, Grammar>> = {
  typescript: javascript,
  typescriptreact: javascript,
  javascript,
  javascriptreact: javascript,
  python: { functions: new Set(['function_definition']), body: 'block', braces: false },
  go: { functions: new Set(['function_declaration', 'method_declaration']), body: 'block', braces: true },
  rust: { functions: new Set(['function_item']), body: 'block', braces: true },
  java: { functions: new Set(['method_declaration', 'constructor_declaration']), body: 'block', braces: true },
};

/** Whether functions are found in files of this name. */
export const hasFunctions = (file: string): boolean => (languageOf(file) ?? '') in grammars;

/** Characters of a body that is no completion any more: what is defined inside of it may be one. */
export const longestBody = 1500;

/**
 * The functions of a text that have a name and a body of their own, in order. Functions inside of others are left out, for
 * their bodies are a part of the outer one's, unless that is too long. A text that does not parse has none.
 */
export async function findFunctions(languageId: string, text: string): Promise<SourceFunction[]> {
  const grammar = grammars[languageId];
  const tree = grammar ? await parseSource(languageId, text) : null;
  if (!grammar || !tree) return [];
  try {
    if (tree.rootNode.hasError) return [];
    const found: SourceFunction[] = [];
    const open: { node: Node; names: readonly string[] }[] = [{ node: tree.rootNode, names: [] }];
    for (let next = open.pop(); next; next = open.pop()) {
      const { node, names } = next;
      if (isRustTest(node)) continue;
      const name = nameOf(node);
      const body = grammar.functions.has(node.type) ? node.childForFieldName('body') : null;
      if (body && body.type === grammar.body && name !== null) {
        const range = grammar.braces ? insideBraces(body) : wholeLines(body, text);
        const line = node.startPosition.row + 1;
        found.push({ name: [...names, name].join('.'), line, ...range, from: node.startIndex });
        if (range.end - range.start <= longestBody) continue;
      }
      const holds = isContainer(node) || grammar.functions.has(node.type);
      const inner = holds && name !== null ? [...names, name] : names;
      for (const child of node.namedChildren) if (child) open.push({ node: child, names: inner });
    }
    return found.sort((a, b) => a.start - b.start);
  } finally {
    tree.delete();
  }
}

/** Tests stand beside the code in Rust: functions, or modules of them, that are compiled for tests alone. */
function isRustTest(node: Node): boolean {
  if (node.type !== 'function_item' && node.type !== 'mod_item') return false;
  let before = node.previousNamedSibling;
  for (; before?.type === 'attribute_item'; before = before.previousNamedSibling)
    if (/^#\[(\w+::)*test\]$|^#\[cfg\(test\)\]$/.test(before.text)) return true;
  return false;
}

/** A function's own name, or that of the variable, property or field that holds it. */
function nameOf(node: Node): string | null {
  const own = node.childForFieldName('name') ?? (node.type === 'impl_item' ? node.childForFieldName('type') : null);
  if (own) return own.text;
  const holder = node.parent;
  if (!holder) return null;
  if (
    holder.type === 'variable_declarator' ||
    holder.type === 'public_field_definition' ||
    holder.type === 'field_definition'
  )
    return (holder.childForFieldName('name') ?? holder.childForFieldName('property'))?.text ?? null;
  return holder.type === 'pair' ? (holder.childForFieldName('key')?.text ?? null) : null;
}

const containers =
  /^(class_declaration|class|class_definition|abstract_class_declaration|impl_item|interface_declaration|record_declaration|enum_declaration|mod_item|trait_item)$/;
const isContainer = (node: Node): boolean => containers.test(node.type);

const insideBraces = (body: Node) => ({ start: body.startIndex + 1, end: body.endIndex - 1 });

/**
 * Python's body with its first line's indentation; where it stands behind the colon, on the same line, from there. What
 * documents the function stays, where there is anything behind it.
 */
function wholeLines(body: Node, text: string) {
  const [first, second] = body.namedChildren;
  const isDocumented = first?.type === 'expression_statement' && first.namedChild(0)?.type === 'string';
  const start = (isDocumented && second ? second : body).startIndex;
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  const isOwnLine = text.slice(lineStart, start).trim() === '';
  return { start: isOwnLine ? lineStart : start, end: body.endIndex };
}

/**
 * Where the body of a function is over that begins at `start`, as `findFunctions` gives it: before the brace that closes it,
 * or where it is indented no further. Null where it does not end, or nobody knows.
 */
export async function bodyEnd(languageId: string, text: string, start: number): Promise<number | null> {
  const grammar = grammars[languageId];
  const tree = grammar ? await parseSource(languageId, text) : null;
  if (!grammar || !tree) return null;
  try {
    return grammar.braces ? closingBrace(tree.rootNode, start - 1) : dedent(tree.rootNode, text, start, grammar);
  } finally {
    tree.delete();
  }
}

function closingBrace(root: Node, open: number): number | null {
  const block = root.descendantForIndex(open, open + 1)?.parent;
  const last = block?.lastChild;
  const isClosed = last && block.startIndex === open && last.type === '}' && !last.isMissing;
  return isClosed ? last.startIndex : null;
}

/** The end of the innermost function whose body holds the first statement behind `start`. */
function dedent(root: Node, text: string, start: number, { functions }: Grammar): number | null {
  const first = start + text.slice(start).search(/\S|$/);
  for (let node = root.descendantForIndex(first, first + 1); node; node = node.parent) {
    const body = functions.has(node.type) ? node.childForFieldName('body') : null;
    if (body && body.startIndex <= first) return body.endIndex;
  }
  return null;
}

/**
 * The file's text with a function's body taken out: it does nothing, where the language lets it return nothing, so that
 * tests which do not mind are no guards; elsewhere it fails, before the body where a compiler minds what is not used.
 */
export function withoutBody(languageId: string, text: string, { start, end }: SourceFunction): string {
  const body = text.slice(start, end);
  const removed: Readonly<Record<string, string>> = {
    python: `${/^[ \t]*/.exec(body)![0]}pass`,
    go: `\npanic("taken out")\n${body}`,
    rust: `\nunimplemented!();\n#[allow(unreachable_code)] {${body}}`,
    java: ' throw new UnsupportedOperationException("taken out"); ',
  };
  return text.slice(0, start) + (removed[languageId] ?? ' ') + text.slice(end);
}

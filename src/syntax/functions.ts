import type { Node } from '@vscode/tree-sitter-wasm';
import { languageOf, parseSource } from './trees.ts';

/** A function or method in a source file. Its body is characters [start, end). */
export interface SourceFunction {
  /** Qualified by the enclosing names: `Stack.push`. */
  readonly name: string;
  /** First line, from 1. */
  readonly line: number;
  readonly start: number;
  readonly end: number;
  /** Offset of the first character of the declaration, by which an engine's coverage identifies functions. */
  readonly from: number;
}

interface Grammar {
  /** Node types of functions with a body of statements. */
  readonly functions: ReadonlySet<string>;
  readonly body: string;
  /** Whether bodies are enclosed in braces, which are kept. */
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

/** Whether functions can be found in files of this name. */
export const hasFunctions = (file: string): boolean => (languageOf(file) ?? '') in grammars;

/** Characters of the longest body that can be a completion. Functions inside a longer one are considered instead. */
export const longestBody = 1500;

/**
 * The named functions of a text that have a body, in order. Functions inside another function are left out, because
 * the outer body contains theirs, unless the outer body is too long. A text that does not parse has none.
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

/** In Rust, tests are in the same file as the code: functions or modules that are compiled for tests only. */
function isRustTest(node: Node): boolean {
  if (node.type !== 'function_item' && node.type !== 'mod_item') return false;
  let before = node.previousNamedSibling;
  for (; before?.type === 'attribute_item'; before = before.previousNamedSibling)
    if (/^#\[(\w+::)*test\]$|^#\[cfg\(test\)\]$/.test(before.text)) return true;
  return false;
}

/** A function's own name, or the name of the variable, property or field that holds it. */
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
 * Python's body, including the indentation of its first line. If the body starts on the line of the colon, it begins
 * there. A docstring is kept outside the body if there is anything after it.
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
 * The end of a function body that starts at `start`, as `findFunctions` reports it: before its closing brace, or
 * where the indentation ends. Null if it does not end or if there is no grammar.
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

/** The end of the innermost function whose body contains the first statement after `start`. */
function dedent(root: Node, text: string, start: number, { functions }: Grammar): number | null {
  const first = start + text.slice(start).search(/\S|$/);
  for (let node = root.descendantForIndex(first, first + 1); node; node = node.parent) {
    const body = functions.has(node.type) ? node.childForFieldName('body') : null;
    if (body && body.startIndex <= first) return body.endIndex;
  }
  return null;
}

/**
 * The file's text without a function's body. If the language allows a function to return nothing, the function does
 * nothing, so that tests that do not check the result still pass. Otherwise it fails before the old body, which stays
 * where the compiler rejects unused variables and parameters.
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

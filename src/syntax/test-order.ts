import type { Node } from '@vscode/tree-sitter-wasm';
import { isWellFormed, parseSource } from './trees.ts';

/** Whether a statement declares a test or a group of tests, by language. */
const declaresTest: Readonly<Partial<Record<string, (node: Node) => boolean>>> = {
  javascript: inJavaScript,
  javascriptreact: inJavaScript,
  typescript: inJavaScript,
  typescriptreact: inJavaScript,
  python: inPython,
  go: (node) => node.type === 'function_declaration' && /^func Test/.test(node.text),
};

function inJavaScript(node: Node): boolean {
  const call = node.type === 'expression_statement' ? node.firstNamedChild : null;
  const called = call?.type === 'call_expression' ? call.childForFieldName('function')?.text : null;
  return /^(it|test|specify|describe|suite|context)\b/.test(called ?? '');
}

function inPython(node: Node): boolean {
  const declared = node.type === 'decorated_definition' ? node.childForFieldName('definition') : node;
  const name = declared?.childForFieldName('name')?.text ?? '';
  return declared?.type === 'function_definition'
    ? name.startsWith('test')
    : declared?.type === 'class_definition' && /Test/.test(name);
}

/**
 * A test file with its tests, and the tests in each group, in the reverse order. Everything else keeps its place. Null if there is
 * only one order, or the language's tests are not known.
 */
export async function withReversedTests(languageId: string, text: string): Promise<string | null> {
  const isTest = declaresTest[languageId];
  const tree = isTest ? await parseSource(languageId, text) : null;
  if (!isTest || !tree) return null;
  try {
    if (tree.rootNode.hasError) return null;
    const reversed = reversedIn(tree.rootNode, isTest);
    return reversed !== text && (await isWellFormed(languageId, reversed)) ? reversed : null;
  } finally {
    tree.delete();
  }
}

/** The text of a node in which the tests of each list of statements have changed places. */
function reversedIn(node: Node, isTest: (node: Node) => boolean): string {
  const children = node.namedChildren.filter((child) => child !== null);
  const texts = new Map(children.map((child) => [child.startIndex, reversedIn(child, isTest)]));
  const tests = children.filter(isTest);
  let written = '';
  let at = node.startIndex;
  for (const child of children) {
    const index = tests.indexOf(child);
    const source = index < 0 ? child : tests[tests.length - 1 - index]!;
    written += node.text.slice(at - node.startIndex, child.startIndex - node.startIndex);
    written += texts.get(source.startIndex);
    at = child.endIndex;
  }
  return written + node.text.slice(at - node.startIndex);
}

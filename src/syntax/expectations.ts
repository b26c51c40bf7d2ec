/**
 * The expectations of tests, for finding out whether a test decides anything: after its expected value is changed, a test must
 * fail. Only assertions of equality count, because a value that equals the expected one cannot equal another one too.
 */
import type { Node } from '@vscode/tree-sitter-wasm';
import { isWellFormed, parseSource } from './trees.ts';

/** A change of the value that an assertion expects: characters [start, end) become `replacement`. */
interface Expectation {
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  /** The text of the value that is compared with it. */
  readonly actual: string;
  /** Offset of the innermost function around the assertion, normally the body of a test; -1 outside of all functions. */
  readonly within: number;
}

interface Grammar {
  readonly functions: RegExp;
  /** Nodes that are equal if their parts are equal, so that a part may be changed instead of the whole. */
  readonly nests: RegExp;
  /** Another value for a node whose parts cannot be changed; null: the language's types do not allow one. */
  readonly wrapped: ((value: string) => string) | null;
  /** The two sides of an assertion of equality; null for other nodes. */
  readonly sides: (node: Node) => readonly [Node, Node] | null;
}

const inJavaScript: Grammar = {
  functions: /^(arrow_function|function_expression|function_declaration|method_definition)$/,
  nests: /^(array|object|pair|parenthesized_expression|unary_expression)$/,
  wrapped: (value) => `['changed', ${value}]`,
  sides: javascriptSides,
};

const grammars: Readonly<Record<string, Grammar>> = {
  javascript: inJavaScript,
  javascriptreact: inJavaScript,
  typescript: inJavaScript,
  typescriptreact: inJavaScript,
  python: {
    functions: /^(function_definition|lambda)$/,
    nests: /^(list|tuple|dictionary|pair|parenthesized_expression|unary_operator)$/,
    wrapped: (value) => `("changed", ${value})`,
    sides: pythonSides,
  },
  go: {
    functions: /^(function_declaration|func_literal)$/,
    nests: /^(parenthesized_expression|unary_expression)$/,
    wrapped: null,
    sides: goSides,
  },
  rust: { functions: /^function_item$/, nests: /^$/, wrapped: null, sides: rustSides },
};

/**
 * A test file in which one expected value of each test is changed, so that the tests fail. Of several assertions in a test, the
 * one whose names no other changed assertion mentions is chosen, so that many functions are looked at. Null if the file has no
 * assertion of equality, or no grammar.
 */
export async function withChangedExpectations(languageId: string, text: string): Promise<string | null> {
  const found = await expectationsOf(languageId, text);
  if (found.length === 0) return null;
  const mentioned = new Set<string>();
  let changed = text;
  // From the end, so that earlier offsets stay valid.
  for (const test of new Set(found.map(({ within }) => within).sort((a, b) => b - a))) {
    const { start, end, replacement, actual } = mostNew(
      found.filter(({ within }) => within === test),
      mentioned,
    );
    for (const name of namesIn(actual)) mentioned.add(name);
    changed = changed.slice(0, start) + replacement + changed.slice(end);
  }
  return (await isWellFormed(languageId, changed)) ? changed : null;
}

/** The first expectation with the most names that are not among those mentioned. */
function mostNew(expectations: readonly Expectation[], mentioned: ReadonlySet<string>): Expectation {
  const count = ({ actual }: Expectation) => namesIn(actual).filter((name) => !mentioned.has(name)).length;
  return expectations.reduce((best, one) => (count(one) > count(best) ? one : best));
}

const namesIn = (text: string): string[] => [...new Set(text.match(/[\p{L}_$][\p{L}\p{N}_$]*/gu))];

async function expectationsOf(languageId: string, text: string): Promise<Expectation[]> {
  const grammar = grammars[languageId];
  const tree = grammar ? await parseSource(languageId, text) : null;
  if (!grammar || !tree) return [];
  const found: Expectation[] = [];
  try {
    if (tree.rootNode.hasError) return [];
    const open: { node: Node; within: number }[] = [{ node: tree.rootNode, within: -1 }];
    for (let next = open.pop(); next; next = open.pop()) {
      const { node } = next;
      const within = grammar.functions.test(node.type) ? node.startIndex : next.within;
      const sides = grammar.sides(node);
      const change = sides && changeOf(sides, grammar);
      if (change) found.push({ ...change, within });
      for (const child of node.namedChildren) if (child) open.push({ node: child, within });
    }
  } finally {
    tree.delete();
  }
  return found.sort((a, b) => a.start - b.start);
}

/** Changes the side that is a literal; if none is, the second one, which is the expected value by convention. */
function changeOf([first, second]: readonly [Node, Node], { nests, wrapped }: Grammar) {
  for (const [expected, actual] of [
    [second, first],
    [first, second],
  ] as const) {
    const literal = literalIn(expected, nests);
    if (literal) return { ...literal, actual: actual.text };
  }
  if (!wrapped) return null;
  const { startIndex: start, endIndex: end, text } = second;
  return { start, end, replacement: wrapped(text), actual: first.text };
}

/** Another value for the first literal of an expression; calls and names inside it are left alone. */
function literalIn(node: Node, nests: RegExp): Pick<Expectation, 'start' | 'end' | 'replacement'> | null {
  const replacement = otherValue(node);
  if (replacement !== null) return { start: node.startIndex, end: node.endIndex, replacement };
  if (!nests.test(node.type)) return null;
  // The key of a pair names a part, and has no value.
  const parts = node.type === 'pair' ? [node.childForFieldName('value')] : node.namedChildren;
  for (const part of parts) {
    const found = part && literalIn(part, nests);
    if (found) return found;
  }
  return null;
}

const constants: Readonly<Record<string, string>> = {
  true: 'false',
  false: 'true',
  True: 'False',
  False: 'True',
  null: '0',
  undefined: '0',
  None: '0',
  '[]': '[0]',
};

/** The text of another value than that of a literal; null if it is no literal. */
function otherValue({ type, text }: Node): string | null {
  if (/^(true|false|null|none|undefined|boolean_literal|array|list)$/.test(type)) return constants[text] ?? null;
  if (/^(number|integer|float|int_literal|float_literal|integer_literal)$/.test(type)) {
    const value = Number(text);
    // One more is not another number if it is large.
    return Number.isFinite(value) && Math.abs(value) < 2 ** 50 ? String(value + 1) : null;
  }
  const isText = /^(string|template_string|interpreted_string_literal|string_literal)$/.test(type);
  const plain = /^[bru]*(?:"[^"]*"|'[^']*'|`[^`$]*`)$/i;
  return isText && plain.test(text) && !/^\w*(""|'')["']/.test(text) ? `${text.slice(0, -1)}~${text.at(-1)}` : null;
}

const equalities = /^(strictEqual|deepStrictEqual|deepEqual|equal|equals|is|same|eql|eq)$/;
const matchers = /^(toBe|toEqual|toStrictEqual|equal|equals|eql|eq|deepEqual)$/;

/** `assert.equal(a, b)`, `expect(a).toBe(b)`, `expect(a).to.equal(b)`, `assert(a === b)`. */
function javascriptSides(node: Node): readonly [Node, Node] | null {
  if (node.type !== 'call_expression') return null;
  const called = node.childForFieldName('function');
  const args = argumentsOf(node);
  const [first, second] = args;
  if (!called || !first) return null;
  const name = (called.childForFieldName('property') ?? called).text;
  const object = called.childForFieldName('object');
  const subject = object && expectedOf(object);
  if (subject) return matchers.test(name) && !/\.(not|rejects|resolves)\b/.test(object.text) ? [subject, first] : null;
  if (equalities.test(name) && second && object?.text !== 'Object') return [first, second];
  return /^(assert|ok)$/.test(name) ? comparedIn(first, 'binary_expression', /^===?$/) : null;
}

/** The value in `expect(value)…`, or before `.should…`. */
function expectedOf(object: Node): Node | null {
  for (let node: Node | null = object; node; node = node.childForFieldName('object')) {
    if (node.type === 'call_expression')
      return node.childForFieldName('function')?.text === 'expect' ? (argumentsOf(node)[0] ?? null) : null;
    if (node.childForFieldName('property')?.text === 'should') return node.childForFieldName('object');
  }
  return null;
}

/** `assert a == b`, `self.assertEqual(a, b)`. */
function pythonSides(node: Node): readonly [Node, Node] | null {
  if (node.type === 'assert_statement') {
    const [condition] = node.namedChildren;
    return condition ? comparedIn(condition, 'comparison_operator', /^==$/) : null;
  }
  if (node.type !== 'call') return null;
  const name = node.childForFieldName('function')?.childForFieldName('attribute')?.text ?? '';
  const [first, second] = argumentsOf(node);
  return /^assert(List|Dict|Tuple|Set|MultiLine|Sequence)?Equals?$/.test(name) && first && second
    ? [first, second]
    : null;
}

/** `if a != b { t.Fatal(…) }`, `assert.Equal(t, b, a)`. */
function goSides(node: Node): readonly [Node, Node] | null {
  if (node.type === 'if_statement') {
    const [condition, block] = [node.childForFieldName('condition'), node.childForFieldName('consequence')];
    const fails = /\bt\.(Error|Errorf|Fatal|Fatalf|Fail|FailNow)\(/.test(block?.text ?? '');
    return condition && fails ? comparedIn(condition, 'binary_expression', /^!=$/) : null;
  }
  if (node.type !== 'call_expression') return null;
  const called = node.childForFieldName('function')?.text ?? '';
  const [, expected, actual] = argumentsOf(node);
  return /^(assert|require)\.Equal$/.test(called) && expected && actual ? [actual, expected] : null;
}

/** `assert_eq!(a, b)`, whose arguments the grammar leaves as tokens: only a second one that is a literal is recognised. */
function rustSides(node: Node): readonly [Node, Node] | null {
  if (node.type !== 'macro_invocation' || node.childForFieldName('macro')?.text !== 'assert_eq') return null;
  const tokens = node.namedChildren.find((child) => child?.type === 'token_tree');
  const parts = (tokens?.children ?? []).filter((child) => child !== null).slice(1, -1);
  const comma = parts.findIndex(({ type }) => type === ',');
  const expected = parts[comma + 1];
  const isAlone = comma > 0 && (parts.length === comma + 2 || parts[comma + 2]?.type === ',');
  return expected && isAlone ? [parts[0]!, expected] : null;
}

const argumentsOf = (call: Node): Node[] =>
  (call.childForFieldName('arguments')?.namedChildren ?? []).filter(
    (child): child is Node => child !== null && child.type !== 'comment',
  );

/** The sides of a comparison with one operator. */
function comparedIn(node: Node, type: string, operator: RegExp): readonly [Node, Node] | null {
  const [first, second, third] = node.namedChildren;
  if (node.type !== type || !first || !second || third) return null;
  return node.children.some((child) => child && !child.isNamed && operator.test(child.type)) ? [first, second] : null;
}

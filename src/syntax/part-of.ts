import type { Node } from '@vscode/tree-sitter-wasm';

const strings =
  /^(string|string_literal|template_string|char_literal|raw_string_literal|interpreted_string_literal|encapsed_string|regex|string_value)$/;

/**
 * Whether characters [start, end) are in a comment, in a string or in code, by the syntax tree of their text. Code that is embedded in
 * a string is code.
 */
export function partOf(root: Node, start: number, end: number): 'comment' | 'string' | 'code' {
  for (let node = root.descendantForIndex(start, end); node; node = node.parent) {
    if (/comment/.test(node.type)) return 'comment';
    if (strings.test(node.type)) return 'string';
    if (/substitution|interpolation/.test(node.type)) return 'code';
  }
  return 'code';
}

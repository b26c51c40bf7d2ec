import type { Node } from '@vscode/tree-sitter-wasm';
import { longestParsed, parseSource } from './trees.ts';

/**
 * Number of errors in a text's syntax tree: unexpected parts and missing parts. Null for a language without a
 * grammar.
 */
export async function syntaxErrors(languageId: string, text: string): Promise<number | null> {
  const tree = await parseSource(languageId, text);
  if (!tree) return null;
  try {
    let errors = 0;
    const open: Node[] = [tree.rootNode];
    for (let node = open.pop(); node; node = open.pop()) {
      if (!node.hasError) continue;
      if (node.isError || node.isMissing) errors++;
      for (const child of node.children) if (child) open.push(child);
    }
    return errors;
  } finally {
    tree.delete();
  }
}

/** The text around a gap. */
interface GapContext {
  readonly prefix: string;
  readonly suffix: string;
}

/**
 * Whether `orderBySyntax` could place no other text before this one, because it leaves no syntax error. This holds if
 * the text is not empty.
 */
export async function leavesNoError(
  languageId: string,
  { prefix, suffix }: GapContext,
  text: string,
): Promise<boolean> {
  return prefix.length + suffix.length > longestParsed || !(await syntaxErrors(languageId, prefix + text + suffix));
}

/**
 * Indices of the alternatives for a gap, fewest syntax errors first. Among equals, non-empty texts come first;
 * otherwise the order stays. Errors are not counted in a language without a grammar or in a very long text.
 */
export async function orderBySyntax(
  languageId: string,
  { prefix, suffix }: GapContext,
  alternatives: readonly string[],
): Promise<number[]> {
  const places = alternatives.map((_, place) => place);
  if (places.length < 2) return places;
  const isLong = prefix.length + suffix.length > longestParsed;
  const errors: number[] = [];
  for (const text of alternatives)
    errors.push((isLong ? null : await syntaxErrors(languageId, prefix + text + suffix)) ?? 0);
  const isEmpty = (place: number): number => Number(alternatives[place]!.trim() === '');
  return places.sort((a, b) => errors[a]! - errors[b]! || isEmpty(a) - isEmpty(b));
}

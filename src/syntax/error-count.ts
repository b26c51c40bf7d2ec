import type { Node } from '@vscode/tree-sitter-wasm';
import { longestParsed, parseSource } from './trees.ts';

/** Errors in a text's syntax tree: parts that fit nowhere, and what is missing; null for a language without a grammar. */
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

/** What stands around a gap. */
interface Surroundings {
  readonly prefix: string;
  readonly suffix: string;
}

/**
 * Whether no other text for a gap could come before this one by `orderBySyntax`, where this one says anything: it leaves no
 * error that is looked for.
 */
export async function leavesNoError(
  languageId: string,
  { prefix, suffix }: Surroundings,
  text: string,
): Promise<boolean> {
  return prefix.length + suffix.length > longestParsed || !(await syntaxErrors(languageId, prefix + text + suffix));
}

/**
 * Places of the alternatives for a gap, those that leave the fewest syntax errors first, of equal ones those that say
 * anything; otherwise they stay in order. Errors are not looked for in a language without a grammar, nor in a long text.
 */
export async function orderBySyntax(
  languageId: string,
  { prefix, suffix }: Surroundings,
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

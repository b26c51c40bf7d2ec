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
interface GapText {
  readonly prefix: string;
  readonly suffix: string;
}

/**
 * Syntax errors that texts leave in one gap; each text is parsed once. Errors are not counted in a language without a
 * grammar, nor in a long text.
 */
export class GapSyntax {
  readonly #languageId: string;
  readonly #gap: GapText;
  readonly #errors = new Map<string, Promise<number>>();

  /** `languageId` is VS Code's id. */
  constructor(languageId: string, gap: GapText) {
    this.#languageId = languageId;
    this.#gap = gap;
  }

  /** Whether no other text could come before this one by `order`, if this one is not empty: it leaves no error. */
  async isClean(text: string): Promise<boolean> {
    return (await this.#errorsWith(text)) === 0;
  }

  /**
   * The indices of texts, those that leave the fewest errors first; of equal ones, those that are not empty come first, and
   * then the order stays.
   */
  async order(texts: readonly string[]): Promise<number[]> {
    const indices = texts.map((_, index) => index);
    if (indices.length < 2) return indices;
    const errors: number[] = [];
    for (const text of texts) errors.push(await this.#errorsWith(text));
    const isEmpty = (index: number): number => Number(texts[index]!.trim() === '');
    return indices.sort((a, b) => errors[a]! - errors[b]! || isEmpty(a) - isEmpty(b));
  }

  #errorsWith(text: string): Promise<number> {
    let known = this.#errors.get(text);
    if (!known) {
      known = this.#count(text);
      this.#errors.set(text, known);
    }
    return known;
  }

  async #count(text: string): Promise<number> {
    const { prefix, suffix } = this.#gap;
    if (prefix.length + suffix.length > longestParsed) return 0;
    return (await syntaxErrors(this.#languageId, prefix + text + suffix)) ?? 0;
  }
}

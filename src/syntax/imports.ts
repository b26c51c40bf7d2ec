import type { Node } from '@vscode/tree-sitter-wasm';
import { longestParsed, parseSource } from './trees.ts';

/** Node types that name another file, and calls that do so by their function's name. */
const importing =
  /^(import_statement|export_statement|import_from_statement|import_declaration|import_spec|use_declaration|mod_item)$/;
const importingCalls = new Set(['require', 'import']);

/**
 * What a source file imports, as it is written there: `./user.js`, `.models`, `java.util.List`. Empty for a language without a grammar
 * and for a long text.
 */
export async function importsOf(languageId: string, text: string): Promise<string[]> {
  if (text.length > longestParsed) return [];
  const tree = await parseSource(languageId, text);
  if (!tree) return [];
  try {
    const found = new Set<string>();
    const open: Node[] = [tree.rootNode];
    for (let node = open.pop(); node; node = open.pop()) {
      const name = importedBy(node);
      if (name !== null && name !== '') found.add(name);
      for (const child of node.namedChildren) if (child) open.push(child);
    }
    return [...found];
  } finally {
    tree.delete();
  }
}

function importedBy(node: Node): string | null {
  if (node.type === 'call_expression') {
    const called = node.childForFieldName('function');
    const [argument] = node.childForFieldName('arguments')?.namedChildren ?? [];
    return called && importingCalls.has(called.text) && argument?.type === 'string' ? unquoted(argument.text) : null;
  }
  if (!importing.test(node.type)) return null;
  const source =
    node.childForFieldName('source') ??
    node.childForFieldName('module_name') ??
    node.childForFieldName('path') ??
    node.childForFieldName('argument') ??
    node.childForFieldName('name') ??
    // Java's declaration is a name; Go's is a list of specifications, which are nodes of their own.
    node.namedChildren.find((child) => node.type === 'import_declaration' && child?.type === 'scoped_identifier');
  // `export const a` has no source, and `mod a { ... }` names no file.
  if (!source || (node.type === 'export_statement' && source.type !== 'string')) return null;
  if (node.type === 'mod_item' && node.childForFieldName('body')) return null;
  return unquoted(source.text);
}

const unquoted = (text: string): string => text.replace(/^(['"`])(.*)\1$/s, '$2');
